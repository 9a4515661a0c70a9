package etcd

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// retry is how long a watch waits before it asks etcd again, with jitter.
const retry = 500 * time.Millisecond

// watch is one run of Watch. It belongs to one goroutine.
type watch struct {
	client *Client
	prefix string
	see    func(coord.View)
	known  coord.View // Items is nil before the first answer
	seen   coord.View // what see was told last
}

// Watch calls see with every state below prefix, until ctx ends.
//
// It reads everything, follows the events from there, and reads everything
// again whenever the events end for any reason (etcd away, compacted, no
// leader), and every Resync: events are the fast push, reading is the pull that
// is always right. A read also shows whether etcd's history went back, which a
// watch at a later revision would wait out in silence.
func (c *Client) Watch(ctx context.Context, prefix string, see func(coord.View)) error {
	w := &watch{client: c, prefix: prefix, see: see}
	for ctx.Err() == nil {
		err := w.load(ctx)
		if err == nil {
			err = w.follow(ctx)
		}
		switch {
		case errors.Is(err, coord.ErrWentBack):
			c.wentBack.Store(true)
			c.log.ErrorContext(ctx, "etcd went back; what was known is kept until an operator restarts this process", "prefix", prefix, "error", err)
			alarm := w.known
			alarm.Alarm = err
			see(alarm)
			<-ctx.Done()
		case err != nil && ctx.Err() == nil:
			c.log.WarnContext(ctx, "watch of etcd interrupted; trying again", "prefix", prefix, "error", err)
			pause(ctx)
		}
	}
	return context.Cause(ctx)
}

// load reads everything, if it is still the history of what is known.
func (w *watch) load(ctx context.Context) error {
	if w.known.Items != nil {
		if err := w.client.judgeView(ctx, w.prefix, w.known); err != nil {
			return err
		}
	}
	v, err := w.client.Get(ctx, w.prefix)
	if err != nil {
		return err
	}
	w.known = v
	w.show()
	return nil
}

// show tells what is known if it has changed. What was told once is not
// changed afterwards.
func (w *watch) show() {
	if w.seen.Items != nil && maps.EqualFunc(w.seen.Items, w.known.Items, bytes.Equal) {
		return
	}
	w.seen = coord.View{Revision: w.known.Revision, Items: maps.Clone(w.known.Items)}
	w.see(w.seen)
}

// follow applies events until they end. A watch that was interrupted is nil
// with ctx still running if it can be opened again at once.
func (w *watch) follow(ctx context.Context) error {
	events, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	ch := w.client.raw.Watch(events, w.prefix, clientv3.WithPrefix(), clientv3.WithRev(w.known.Revision+1))
	resync := time.NewTicker(w.client.cfg.Resync)
	defer resync.Stop()
	for {
		select {
		case resp, open := <-ch:
			if err := w.take(resp, open, ch); err != nil {
				return err
			}
			w.show()
		case <-resync.C:
			if err := w.load(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// errEnded says that the events ended without a word.
var errEnded = errors.New("the watch ended")

// take applies a response and all that wait behind it: a slow reader sees the
// last state, not every one.
func (w *watch) take(resp clientv3.WatchResponse, open bool, ch clientv3.WatchChan) error {
	for {
		switch {
		case !open:
			return errEnded
		case resp.Err() != nil: // compacted, no leader, or canceled by etcd
			return resp.Err()
		}
		if err := w.client.witness(resp.Header); err != nil {
			return err
		}
		w.apply(resp.Events)
		select {
		case resp, open = <-ch:
		default:
			return nil
		}
	}
}

// apply applies the events that are newer than what is known.
func (w *watch) apply(events []*clientv3.Event) {
	base := w.known.Revision
	for _, ev := range events {
		kv := ev.GetKv()
		if kv.GetModRevision() <= base {
			continue // a resync was faster
		}
		w.known.Revision = kv.GetModRevision()
		if ev.GetType() == clientv3.EventTypeDelete {
			delete(w.known.Items, string(kv.GetKey()))
		} else {
			w.known.Items[string(kv.GetKey())] = kv.GetValue()
		}
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(retry/2 + rand.N(retry)) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
