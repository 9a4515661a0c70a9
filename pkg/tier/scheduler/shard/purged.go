package shard

import (
	"context"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// Of a job that retention has removed the store knows for ever that it was there
// (store.Janitor). Its owner has nothing more to do for it, and its hosts may
// forget it: they would keep their word for ever.

// purge drops a job that was in memory when retention removed it. What was to be
// written of it was left out.
func (t *tenure) purge(ctx context.Context, id job.ID) {
	t.purged.add(id)
	h := t.jobs[id]
	if h == nil {
		return
	}
	h.purged, h.taken = true, &taken{}
	h.taken.job, h.taken.err = t.deps.Store.GetJob(ctx, id)
	for w := range h.watchers {
		w.wake()
	}
	t.forget(h)
	t.deps.Log.InfoContext(ctx, "job was removed by retention; what came for it since is dropped", "shard", t.id, "job", id)
}

// absent is why a job is not there that was in memory when it was asked for; nil:
// it is there.
func (h *held) absent() error {
	switch {
	case h.taken == nil:
		return nil
	case errors.Is(h.taken.err, store.ErrPurged):
		return h.taken.err
	}
	return ErrNoJob
}

// tellForget tells a host that it may forget a job that retention has removed.
// One that has not ended there is kept until it has; then the host says so.
func (t *tenure) tellForget(ctx context.Context, r *mesh.Report) {
	if !r.PastW && !r.Report.State.Final() {
		return
	}
	t.again.heard(r.Job, r.Host)
	t.meter.strays.Add(ctx, 1, t.meter.purged)
	if via, here := t.deps.Hosts.Via(r.Host); here { // else it comes back, and says it again
		t.deps.Forget(via, r.Job, r.Host)
	}
}
