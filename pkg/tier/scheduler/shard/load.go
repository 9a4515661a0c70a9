package shard

import (
	"context"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/failpoint"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// crashesToQuarantine is how often a job may crash its shard.
const crashesToQuarantine = 2

// Bounds of what is loaded at a time, before it is marked as on trial.
const (
	loadedAtOne  = 64
	targetsAtOne = 100_000
)

// load restores the live jobs of the shard.
func (t *tenure) load(ctx context.Context) error {
	var some []store.Record
	targets := 0
	for rec, err := range t.deps.Store.LoadShard(ctx, t.id) {
		if errors.Is(err, store.ErrDamaged) { // there is no row to write the quarantine into
			t.quarantined[rec.ID] = struct{}{}
			t.deps.Log.ErrorContext(ctx, "job cannot be decoded and is set aside", "shard", t.id, "job", rec.ID, "error", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot load shard %s: %w", t.id, err)
		}
		if rec.Row.State == job.Quarantined {
			t.quarantined[rec.ID] = struct{}{}
			continue
		}
		some, targets = append(some, rec), targets+rec.Targets.Len()
		if len(some) < loadedAtOne && targets < targetsAtOne {
			continue
		}
		if err := t.judge(ctx, some); err != nil {
			return err
		}
		some, targets = some[:0], 0
	}
	if err := t.judge(ctx, some); err != nil {
		return err
	}
	clear(t.unwritten) // what is not live is counted, and never written
	return nil
}

// restoreLive restores a live job. One whose record makes no sense is set aside
// at once: it would make none the next time.
func (t *tenure) restoreLive(ctx context.Context, rec *store.Record) error {
	h, err := t.restore(rec)
	if t.fault != nil {
		return t.fault
	}
	if err != nil {
		return t.quarantine(ctx, rec, err)
	}
	t.jobs[h.id] = h
	return nil
}

// restore makes a machine of a record.
func (t *tenure) restore(rec *store.Record) (h *held, err error) {
	t.guard(rec.ID, func() {
		failpoint.At("shard.restore", func() string { return rec.Spec.Note })
		m := job.New(rec.Spec, rec.Targets)
		if err = m.Restore(rec.Record); err == nil {
			h = &held{id: rec.ID, digest: rec.Digest, machine: m, capsule: rec.Capsule, index: -1, used: t.clock}
			h.trial, h.written = rec.Row.Trial, rec.Row.Trial
		}
	})
	return h, err
}

// quarantine sets a job aside: visible, stopped, and everybody else goes on. Why
// is what is wrong with its record; nil: what its trial says.
func (t *tenure) quarantine(ctx context.Context, rec *store.Record, why error) error {
	text := rec.Row.Trial.Why
	if why != nil {
		text = why.Error()
	}
	row := rec.Row.PutAside(text)
	_, err := t.write(ctx, store.Batch{Jobs: []store.JobBatch{{ID: rec.ID, Persist: job.Persist{Row: &row}}}})
	if err != nil && !errors.Is(err, store.ErrBatch) { // else it is set aside only as long as this process lives
		return err
	}
	t.quarantined[rec.ID] = struct{}{}
	t.deps.Log.ErrorContext(ctx, "job is quarantined", "shard", t.id, "job", rec.ID, "why", row.Trial.Why, "error", err)
	return nil
}

// meetHosts tells all jobs who is attached now.
func (t *tenure) meetHosts() {
	for _, h := range t.jobs {
		t.meet(h)
		t.touch(h)
		if t.fault != nil {
			return
		}
	}
}

// meet tells a job which of its targets are attached now, and which are away.
func (t *tenure) meet(h *held) {
	t.guard(h.id, func() {
		t.deps.Hosts.Events(h.machine.Targets(), t.clock, func(ev job.Event) {
			_ = t.stepJob(h, ev) // a target is never an unknown host
		})
	})
}

// find is a job in memory; of one that is done, if wanted, brought back from the
// store. The error is ErrNoJob, job.ErrQuarantined, *ElsewhereError or the
// store's.
func (t *tenure) find(ctx context.Context, id job.ID, load bool) (*held, error) {
	if h := t.jobs[id]; h != nil {
		h.used = t.clock
		return h, nil
	}
	if _, aside := t.quarantined[id]; aside {
		return nil, job.ErrQuarantined
	}
	if !load || t.unknown.has(id) {
		return nil, ErrNoJob
	}
	rec, err := t.deps.Store.LoadJob(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec.Shard != t.id {
		return nil, &ElsewhereError{Shard: rec.Shard}
	}
	if t.crashes[id] >= crashesToQuarantine { // it is done, and stays what it is in the store
		t.quarantined[id] = struct{}{}
		return nil, job.ErrQuarantined
	}
	h, err := t.restore(&rec)
	switch {
	case t.fault != nil:
		return nil, t.fault
	case err != nil:
		return nil, err
	}
	h.done, h.since = rec.Row.State == job.Done, t.clock
	if h.done {
		t.done++
	} else {
		t.live.Add(1)
	}
	t.jobs[id] = h
	t.noteLate(h) // before its hosts are looked up: see Shard.HostsChanged
	t.shrink()
	t.meet(h) // a task that is UNKNOWN may still be asked for
	t.touch(h)
	return h, t.fault
}

// ElsewhereError says that the job is in another shard.
type ElsewhereError struct{ Shard job.ShardID }

// Error names the shard.
func (e *ElsewhereError) Error() string { return "the job is in shard " + e.Shard.String() }

// recent remembers ids: when there are too many the older half is forgotten.
type recent struct {
	limit      int
	young, old map[job.ID]struct{}
	forgot     bool // some were forgotten
}

func newRecent(limit int) *recent { return &recent{limit: limit, young: map[job.ID]struct{}{}} }

func (r *recent) has(id job.ID) bool {
	_, young := r.young[id]
	_, old := r.old[id]
	return young || old
}

// had is has for whom it is worse to miss one: what was forgotten counts.
func (r *recent) had(id job.ID) bool { return r.forgot || r.has(id) }

func (r *recent) add(id job.ID) {
	if len(r.young) >= r.limit/2 {
		r.forgot = r.forgot || len(r.old) > 0
		r.old, r.young = r.young, map[job.ID]struct{}{}
	}
	r.young[id] = struct{}{}
}

func (r *recent) remove(id job.ID) {
	delete(r.young, id)
	delete(r.old, id)
}
