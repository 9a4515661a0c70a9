package fakehost

import (
	"context"

	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// watcher is one caller of Watch. What it has not been told yet is a set of ids,
// so that a slow one gets the newest of each.
type watcher struct {
	kick     chan struct{} // one token: there is something to tell
	dirty    map[string]struct{}
	snapshot bool  // the snapshot is not complete
	err      error // it is over
}

// Watch implements agent.Executor.
func (h *Host) Watch(ctx context.Context, each func(agent.News) error) error {
	w, err := h.subscribe()
	if err != nil {
		return err
	}
	defer h.unsubscribe(w)
	for {
		select {
		case <-w.kick:
		case <-ctx.Done():
			return ctx.Err()
		}
		news, err := h.take(w)
		if err != nil {
			return err
		}
		if len(news.Commands) == 0 && !news.Complete {
			continue
		}
		if err := each(news); err != nil {
			return err
		}
	}
}

func (h *Host) subscribe() (*watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter("Watch"); err != nil {
		return nil, err
	}
	w := &watcher{kick: make(chan struct{}, 1), dirty: map[string]struct{}{}, snapshot: true}
	for id := range h.commands {
		w.dirty[id] = struct{}{}
	}
	w.wake()
	h.watchers[w] = struct{}{}
	return w, nil
}

func (h *Host) unsubscribe(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

func (h *Host) take(w *watcher) (agent.News, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.err != nil {
		return agent.News{}, w.err
	}
	news := agent.News{Complete: w.snapshot}
	for id := range w.dirty {
		if c := h.commands[id]; c != nil {
			news.Commands = append(news.Commands, c.HostCommand)
		}
	}
	clear(w.dirty)
	w.snapshot = false
	return news, nil
}

// changed tells the watchers. The caller holds mu.
func (h *Host) changed(c *command) {
	for w := range h.watchers {
		w.dirty[c.ID] = struct{}{}
		w.wake()
	}
	h.tellViewers()
}

// endWatches ends all of them. The caller holds mu.
func (h *Host) endWatches(err error) {
	for w := range h.watchers {
		w.err = err
		w.wake()
	}
	h.tellViewers()
}

func (w *watcher) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}
