package shard

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/failpoint"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// Submission is a job that has passed every check.
type Submission struct {
	Create store.Create
	Tree   *capsule.RangeTree // over the targets
	Trace  trace.SpanContext  // of the call; the job is traced if it is sampled
}

// Accepted is a job that is durable.
type Accepted struct {
	Spec    job.Spec
	Row     job.Row
	Existed bool // it had been accepted before
}

// Accept makes a job durable. The same body under the same id again is the same
// job. Errors: ErrNotOwner, ErrOtherBody, ErrFull, job.ErrQuarantined, the
// store's, and the cause of ctx; after the last the job may have been accepted.
func (s *Shard) Accept(ctx context.Context, sub Submission) (Accepted, error) {
	ev := &submission{Submission: sub, done: make(chan accepted, 1)}
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

type accepted struct {
	Accepted
	err error
}

// submission is the event.
type submission struct {
	Submission
	done chan accepted // takes one without waiting
}

func (s *submission) weight() (reports, bytes int) {
	return 1 + s.Create.Targets.Len()/16, len(s.Create.Capsule)
}

func (s *submission) apply(ctx context.Context, t *tenure) {
	id := s.Create.Spec.ID
	if _, aside := t.quarantined[id]; aside || t.crashes[id] >= crashesToQuarantine {
		s.done <- accepted{err: job.ErrQuarantined}
		return
	}
	known := t.jobs[id]
	switch {
	case known != nil && known.digest != s.Create.Digest:
		s.done <- accepted{err: ErrOtherBody}
		return
	case known != nil:
		t.answer(known, func() { s.reply(known, true) })
		return
	case t.live.Load() >= maxLive:
		s.done <- accepted{err: fmt.Errorf("%w: it holds %d live jobs; wait until some are done", ErrFull, maxLive)}
		return
	}
	var machine *job.Machine
	t.guard(id, func() {
		failpoint.At("shard.create", func() string { return s.Create.Spec.Note })
		machine = job.New(s.Create.Spec, s.Create.Targets)
	})
	if machine == nil {
		return
	}
	h := &held{
		id: id, digest: s.Create.Digest, machine: machine,
		capsule: s.Create.Capsule, tree: s.Tree, fresh: &s.Create, index: -1, used: t.clock,
		traced: t.newTrace(s.Trace),
	}
	t.jobs[id] = h
	t.live.Add(1) // before its hosts are looked up: see Shard.HostsChanged
	spokenOf := t.unknown.had(id)
	t.unknown.remove(id)
	t.touch(h)
	t.meet(h)
	if spokenOf && !planted.Bug("strays are not asked again") {
		t.answer(h, func() { t.askStrays(ctx, h) })
	}
	t.answer(h, func() { s.reply(h, false) })
}

// askStrays asks the targets of a job that hosts have spoken of before it was
// there: a restored store had lost it, and their aggregators were told that they
// were heard. Whoever has a release is not asked, for that is answered as well.
func (t *tenure) askStrays(ctx context.Context, h *held) {
	if h.taken != nil {
		return
	}
	var ask job.Send
	for o := range uint32(h.machine.Targets().Len()) {
		if !h.machine.Task(o).Released {
			ask.Query = append(ask.Query, o)
		}
	}
	if len(ask.Query) > 0 {
		t.send(ctx, h, ask)
	}
}

// reply answers when the round is durable.
func (s *submission) reply(h *held, existed bool) {
	if h.taken != nil {
		s.done <- s.exists(h.taken)
		return
	}
	s.done <- accepted{Accepted: Accepted{Spec: h.machine.Spec(), Row: h.machine.Row(), Existed: existed}}
}

// exists answers with the job that has the id already.
func (s *submission) exists(by *taken) accepted {
	switch {
	case errors.Is(by.err, store.ErrPurged):
		return accepted{err: fmt.Errorf("%w; %w", by.err, ErrUsed)}
	case by.err != nil:
		return accepted{err: by.err}
	case by.job.Digest != s.Create.Digest:
		return accepted{err: ErrOtherBody}
	}
	return accepted{Accepted: Accepted{Spec: by.job.Spec, Row: by.job.Row, Existed: true}}
}

// taken is the job that was found under the id of a new one.
type taken struct {
	job store.Job
	err error
}

// taken takes back a job whose id was not free: nothing of it was written.
func (t *tenure) taken(ctx context.Context, e *store.ExistsError) {
	h := t.jobs[e.ID]
	if h == nil || h.fresh == nil {
		return
	}
	h.taken = &taken{}
	h.taken.job, h.taken.err = t.deps.Store.GetJob(ctx, e.ID)
	h.taken.job.Digest = e.Digest
	t.forget(h)
}
