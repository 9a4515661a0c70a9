package shard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// tenure is one ownership of the shard. Only the shard's goroutine touches it,
// but for in and ended.
type tenure struct {
	*Shard
	epoch  job.Epoch
	number uint64    // of the last batch
	proven time.Time // when the store last said that the shard is owned
	in     chan event
	ended  chan struct{} // closed when it serves no more

	jobs        map[job.ID]*held
	due         dueList
	done        int                 // of jobs: those that are done
	quarantined map[job.ID]struct{} // set aside: they are not in jobs
	unknown     *recent             // ids that are not in the store
	purged      *recent             // ids of jobs that retention has removed
	again       again
	trial       trial

	clock   time.Time // of this round
	touched []*held   // in this round
	after   []answer  // of this round, given when all is durable
	fault   error     // of this round: what ends the tenure
}

// event is the closed set of what a shard is told.
type event interface {
	apply(ctx context.Context, t *tenure)
	weight() (reports, bytes int)
}

// crashError is a panic in the machine of a job.
type crashError struct {
	job   job.ID
	value string
	stack string
}

// Error names the job.
func (e *crashError) Error() string { return "job " + e.job.String() + " crashed: " + e.value }

func newTenure(s *Shard, epoch job.Epoch) *tenure {
	now := time.Now()
	return &tenure{
		Shard: s, epoch: epoch, proven: now, in: make(chan event, queueLen), ended: make(chan struct{}),
		jobs: map[job.ID]*held{}, quarantined: map[job.ID]struct{}{}, unknown: newRecent(maxUnknown), purged: newRecent(maxPurged),
		again: again{jobs: map[job.ID]*askAgain{}}, clock: now,
		trial: trial{suspects: map[job.ID]*suspect{}, ends: now.Add(trialTime)},
	}
}

// serve is the loop: take what is there, step, write, send, answer.
func (t *tenure) serve(ctx context.Context) error {
	for {
		timer := time.NewTimer(t.untilDue())
		select {
		case <-ctx.Done():
			timer.Stop()
			t.yield(ctx)
			return nil
		case ev := <-t.in:
			t.clock = time.Now()
			t.takeAll(ctx, ev)
		case <-t.prove:
			t.clock, t.proven = time.Now(), time.Time{}
		case <-timer.C:
			t.clock = time.Now()
		}
		timer.Stop()
		t.admit(ctx)
		t.wakeDue(ctx)
		t.proveJobs()
		t.askAgain(ctx)
		if t.fault == nil {
			t.fault = t.settle(ctx)
		}
		if t.fault != nil {
			return t.fault
		}
	}
}

// takeAll applies an event and those that wait behind it, as far as one round
// may grow.
func (t *tenure) takeAll(ctx context.Context, ev event) {
	reports, bytes := 0, 0
	for n := 1; ; n++ {
		t.take(ctx, ev)
		r, b := ev.weight()
		reports, bytes = reports+r, bytes+b
		if t.fault != nil || n >= roundEvents || reports >= roundReports || bytes >= roundBytes {
			return
		}
		select {
		case ev = <-t.in:
		default:
			return
		}
	}
}

// stepJob steps one machine. Its error is one of core/job's; a panic is a fault
// of the round, and ends the tenure.
func (t *tenure) stepJob(h *held, ev job.Event) error {
	if t.fault != nil {
		return ErrNotOwner
	}
	t.touch(h)
	var err error
	t.guard(h.id, func() { err = t.step(h.machine, t.clock, ev) })
	return err
}

// guard runs a function of a job's machine and keeps its panic to that job.
func (t *tenure) guard(id job.ID, do func()) {
	defer func() {
		if p := recover(); p != nil {
			t.fault = &crashError{job: id, value: fmt.Sprint(p), stack: string(debug.Stack())}
		}
	}()
	do()
}

func (t *tenure) touch(h *held) {
	if !h.touched {
		h.touched = true
		t.touched = append(t.touched, h)
	}
}

// settle ends a round: what is owed is written, and only then anything leaves.
func (t *tenure) settle(ctx context.Context) error {
	var batch store.Batch
	ready := make([]job.Ready, len(t.touched))
	planted.Do("ownership is not proven", func() { t.proven = t.clock })
	for i, h := range t.touched {
		t.guard(h.id, func() { ready[i] = h.machine.Ready() })
		if t.fault != nil {
			return t.fault
		}
		planted.Do("send before persist", func() { t.send(ctx, h, ready[i].Send) })
		planted.Do("Forget before commit", func() { t.send(ctx, h, job.Send{Forget: ready[i].Send.Forget}) })
		if p := t.withTrial(h, ready[i].Persist); p.Row != nil {
			batch.Jobs = append(batch.Jobs, store.JobBatch{ID: h.id, Create: h.fresh, Persist: p, Outputs: h.named(p.Tasks)})
		}
	}
	if len(batch.Jobs) > 0 || !t.clock.Before(t.proven.Add(proveEvery)) {
		result, err := t.write(ctx, batch)
		if errors.Is(err, store.ErrBatch) {
			return t.culprit(ctx, batch.Jobs, err)
		}
		if err != nil {
			return err
		}
		for _, e := range result.Existing {
			t.taken(ctx, e)
		}
		for _, id := range result.Purged {
			t.purge(ctx, id)
		}
	}
	touched, after := t.touched, t.after
	t.touched, t.after = nil, nil
	for i, h := range touched {
		t.guard(h.id, func() { t.conclude(ctx, h, &ready[i]) })
	}
	for _, a := range after {
		t.guard(a.of, a.give)
	}
	return t.fault
}

// write commits a batch. It is not cut short by the end of ctx: its fate has to
// be known before anything is sent or the shard is given up.
func (t *tenure) write(ctx context.Context, b store.Batch) (store.Result, error) {
	t.number++
	b.Shard, b.Epoch, b.Number = t.id, t.epoch, t.number
	result, err := t.deps.Commit.Commit(context.WithoutCancel(ctx), b)
	switch {
	case errors.Is(err, store.ErrFenced):
		return store.Result{}, err
	case errors.Is(err, store.ErrBatch): // nothing of it was applied, and its number is free
		t.number--
		return store.Result{}, err
	case err != nil:
		return store.Result{}, fmt.Errorf("cannot write batch %d: %w", t.number, err)
	}
	t.proven = time.Now()
	return result, nil
}

// culprit finds out whose part of a batch cannot be applied: that job has crashed
// the shard, as if its machine had. The parts of the others are written. If a
// batch without any job cannot be applied either it is not the fault of a job.
func (t *tenure) culprit(ctx context.Context, parts []store.JobBatch, why error) error {
	if _, err := t.write(ctx, store.Batch{}); err != nil {
		return err
	}
	for i := range parts {
		_, err := t.write(ctx, store.Batch{Jobs: parts[i : i+1]})
		switch {
		case errors.Is(err, store.ErrBatch):
			return &crashError{job: parts[i].ID, value: err.Error()}
		case err != nil:
			return err
		}
	}
	return why // together only
}

// conclude does for one job what its round allows now.
func (t *tenure) conclude(ctx context.Context, h *held, r *job.Ready) {
	fresh := h.fresh != nil
	h.touched, h.fresh, h.contents = false, nil, nil
	if h.gone { // its id was taken, or retention has removed it
		if h.purged {
			t.send(ctx, h, job.Send{Forget: r.Send.Forget})
		}
		return
	}
	t.count(ctx, h, r, fresh)
	if h.traced != nil {
		t.traceReleases(ctx, h, r.Persist.Released)
		t.traceOutcomes(ctx, h, r.Persist.Tasks)
	}
	if !r.Send.Empty() {
		t.send(ctx, h, r.Send)
	}
	if !r.Empty() {
		for w := range h.watchers {
			w.wake()
		}
	}
	t.plan(h)
}

// send hands over what is owed to the rooms in which the hosts are now.
func (t *tenure) send(ctx context.Context, h *held, s job.Send) {
	routes := t.deps.Hosts.Route(h.machine.Targets(), s)
	if len(routes) == 0 {
		return
	}
	p, err := h.payloadOf(t.epoch)
	if err != nil { // it was checked when the job was accepted
		t.deps.Log.ErrorContext(ctx, "capsule in the store cannot be read; the job waits", "job", h.id, "error", err)
		return
	}
	for via, part := range routes {
		t.deps.Send(via, p, *part, h.traced.parents(part.Dispatch))
	}
}

// answer is what is done for a job when all of a round is durable.
type answer struct {
	of   job.ID
	give func()
}

// answer keeps an answer until then.
func (t *tenure) answer(h *held, give func()) {
	t.after = append(t.after, answer{of: h.id, give: give})
}

// forget takes a job out of memory.
func (t *tenure) forget(h *held) {
	h.gone = true
	t.noteLate(h)
	delete(t.jobs, h.id)
	t.inFlight.Add(-h.flying)
	t.due.remove(h)
	if h.done {
		t.done--
	} else {
		t.live.Add(-1)
	}
}

// shrink keeps the number of jobs that are done within bounds: the one that would
// leave first goes first, which is the one that was asked for longest ago.
func (t *tenure) shrink() {
	if t.done <= maxDone {
		return
	}
	var idle []*held
	for _, h := range t.jobs {
		if h.done && len(h.watchers) == 0 && !h.touched {
			idle = append(idle, h)
		}
	}
	slices.SortFunc(idle, func(a, b *held) int { return a.leaves().Compare(b.leaves()) })
	for _, h := range idle[:min(len(idle), t.done-maxDone*3/4)] {
		t.forget(h)
	}
}
