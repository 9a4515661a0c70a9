package shard

import (
	"context"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func dispatched(v job.View) bool { return v.Report.State == task.Dispatched }

// Read lets see look at a job as it is durable, in the shard's goroutine: see
// reads, and returns soon. A job that is done is brought back from the store.
// Errors: ErrNotOwner, ErrNoJob or store.ErrNotFound, job.ErrQuarantined,
// *ElsewhereError, the store's, and the cause of ctx; see is not called then,
// or what it saw must not be looked at.
func (s *Shard) Read(ctx context.Context, id job.ID, see func(m *job.Machine)) error {
	return s.ask(ctx, id, true, func(_ *tenure, h *held) { see(h.machine) })
}

// Peek is Read for jobs that are in memory; ErrNoJob: ask the store.
func (s *Shard) Peek(ctx context.Context, id job.ID, see func(m *job.Machine)) error {
	return s.ask(ctx, id, false, func(_ *tenure, h *held) { see(h.machine) })
}

// ReadNow is Read of a job as of now: what is due has been done before, and is
// durable. Errors as Read.
func (s *Shard) ReadNow(ctx context.Context, id job.ID, see func(m *job.Machine)) error {
	return s.put(ctx, &question{id: id, load: true, now: true, see: func(_ *tenure, h *held) { see(h.machine) }})
}

// Late has a job, done or not, look where its hosts are now, and ask those that
// are here for the truth about tasks that are UNKNOWN. A job that is done is told
// of its hosts by nobody else. Errors as Read.
func (s *Shard) Late(ctx context.Context, id job.ID) error {
	return s.put(ctx, &question{id: id, load: true, meet: true, see: func(*tenure, *held) {}})
}

func (s *Shard) ask(ctx context.Context, id job.ID, load bool, see func(*tenure, *held)) error {
	return s.put(ctx, &question{id: id, load: load, see: see})
}

// put asks a question and waits for its answer.
func (s *Shard) put(ctx context.Context, q *question) error {
	q.done = make(chan error, 1)
	t, err := s.post(ctx, q)
	if err != nil {
		return err
	}
	answer, err := await(ctx, t, q.done)
	if err != nil {
		return err
	}
	return answer
}

// question is an event that looks at one job.
type question struct {
	id   job.ID
	load bool
	now  bool // set the clock of the job before
	meet bool // tell it of its hosts before
	see  func(*tenure, *held)
	done chan error // takes one without waiting
}

func (q *question) weight() (reports, bytes int) { return 0, 0 }

// apply looks when the round is over: then all that there is is durable.
func (q *question) apply(ctx context.Context, t *tenure) {
	h, err := t.find(ctx, q.id, q.load)
	if err == nil && q.now {
		_ = t.stepJob(h, job.Tick{})       // no machine in memory refuses it
		h, err = t.find(ctx, q.id, q.load) // it may have crashed at that
	}
	if err == nil && q.meet {
		t.meet(h)
		t.touch(h)
		err = t.fault
	}
	if err != nil {
		q.done <- err
		return
	}
	t.answer(h, func() {
		if err := h.absent(); err != nil {
			q.done <- err
			return
		}
		q.see(t, h)
		q.done <- nil
	})
}

// Control applies a request of a user (job.Cancel, job.Pause or job.Resume) and
// returns the job when its effect is durable. Errors as Read, and those of
// core/job.
func (s *Shard) Control(ctx context.Context, id job.ID, request job.Event) (Accepted, error) {
	ev := &control{id: id, request: request, done: make(chan accepted, 1)}
	t, err := s.post(ctx, ev)
	if err != nil {
		return Accepted{}, err
	}
	got, err := await(ctx, t, ev.done)
	if err != nil {
		return Accepted{}, err
	}
	return got.Accepted, got.err
}

type control struct {
	id      job.ID
	request job.Event
	done    chan accepted // takes one without waiting
}

func (c *control) weight() (reports, bytes int) { return 1, 0 }

func (c *control) apply(ctx context.Context, t *tenure) {
	h, err := t.find(ctx, c.id, true)
	if err == nil {
		err = t.stepJob(h, c.request)
	}
	if err != nil {
		c.done <- accepted{err: err}
		return
	}
	t.answer(h, func() {
		if err := h.absent(); err != nil {
			c.done <- accepted{err: err}
			return
		}
		c.done <- accepted{Accepted: Accepted{Spec: h.machine.Spec(), Row: h.machine.Row()}}
	})
}

// Watcher is somebody who wants to know when a job changes. It holds nothing of
// the job, so that a slow one costs nothing.
type Watcher struct {
	shard   *tenure
	id      job.ID
	changed chan struct{} // takes one
}

// Watch registers a watcher, which is to be closed. Errors as Read.
func (s *Shard) Watch(ctx context.Context, id job.ID) (*Watcher, error) {
	w := &Watcher{id: id, changed: make(chan struct{}, 1)}
	ev := &question{id: id, load: true, done: make(chan error, 1), see: func(_ *tenure, h *held) {
		if h.watchers == nil {
			h.watchers = map[*Watcher]struct{}{}
		}
		h.watchers[w] = struct{}{}
	}}
	t, err := s.post(ctx, ev)
	if err != nil {
		return nil, err
	}
	w.shard = t
	answer, err := await(ctx, t, ev.done)
	if err != nil {
		w.Close() // it comes after the question, whatever became of that
		return nil, err
	}
	if answer != nil {
		return nil, answer
	}
	return w, nil
}

func (w *Watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Changed takes one when the job has changed since it was last taken.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Ended is closed when the shard is not served under this ownership any more.
func (w *Watcher) Ended() <-chan struct{} { return w.shard.ended }

// Close ends the watching. It may wait for the shard as long as that serves.
func (w *Watcher) Close() {
	ev := &unwatch{w}
	select {
	case w.shard.in <- ev:
	case <-w.shard.ended:
	}
}

type unwatch struct{ *Watcher }

func (u *unwatch) weight() (reports, bytes int) { return 0, 0 }

// apply comes after the question that registered it, which is answered at the
// end of its round.
func (u *unwatch) apply(_ context.Context, t *tenure) {
	t.answer(&held{id: u.id}, func() {
		if h := t.jobs[u.id]; h != nil {
			delete(h.watchers, u.Watcher)
			h.used = t.clock
		}
	})
}
