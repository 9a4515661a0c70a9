package shard

import (
	"context"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/failpoint"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// Heard is reports of jobs of this shard, with the contents of all outputs that
// they name.
type Heard struct {
	Reports  []mesh.Report
	Contents map[[32]byte][]byte
}

// Reports queues what hosts say. ErrNotOwner: the reports go to another owner,
// and are heard there.
func (s *Shard) Reports(ctx context.Context, r Heard) error {
	_, err := s.post(ctx, &r)
	return err
}

func (r *Heard) weight() (reports, bytes int) {
	for _, content := range r.Contents {
		bytes += len(content)
	}
	return len(r.Reports), bytes
}

func (r *Heard) apply(ctx context.Context, t *tenure) {
	for i := range r.Reports {
		if t.fault != nil {
			return
		}
		one := &r.Reports[i]
		if t.purged.has(one.Job) {
			t.tellForget(ctx, one)
			continue
		}
		h, err := t.find(ctx, one.Job, true)
		if err != nil {
			t.stray(ctx, one, err)
			continue
		}
		for _, ref := range one.Detail.Outputs {
			if content, there := r.Contents[ref.Digest]; there {
				h.keep(ref.Digest, content)
			}
		}
		t.again.heard(one.Job, one.Host)
		t.guard(h.id, func() { err = t.hear(ctx, h, one) })
		if err != nil && t.fault == nil && !h.warned {
			h.warned = true
			t.deps.Log.WarnContext(ctx, "report of a host is not taken; further ones of this job are not logged",
				"job", h.id, "host", one.Host, "state", one.Report.State, "attempt", one.Report.Attempt, "error", err)
		}
	}
}

func (h *held) keep(digest [32]byte, content []byte) {
	if h.contents == nil {
		h.contents = map[[32]byte][]byte{}
	}
	h.contents[digest] = content
}

// hear steps a job with one report. Which host it is its certificate has said; of
// the ordinal, which it may have from a command that it could not read, nothing
// depends.
func (t *tenure) hear(ctx context.Context, h *held, r *mesh.Report) error {
	failpoint.At("shard.heard", func() string { return h.machine.Spec().Note })
	o, ok := h.machine.Targets().Find(r.Host)
	if !ok {
		return job.ErrUnknownHost
	}
	if o != r.Ordinal && !r.PastW && !h.warned {
		h.warned = true
		t.deps.Log.WarnContext(ctx, "host reports under another ordinal than its own; it is believed, and further ones of this job are not logged",
			"job", h.id, "host", r.Host, "ordinal", o, "said", r.Ordinal)
	}
	if r.PastW {
		// Else an operator may have restored the store since the release: not even a
		// job that this owner accepted is without a history, for the store may have
		// lost it, and its user has submitted it again.
		same := t.epoch.Generation == 1 || planted.Bug("what is accepted here has no history")
		err := t.stepJob(h, job.PastW{Host: r.Host, Incarnation: r.Incarnation, SameGeneration: same, Forgotten: r.Forgotten})
		if errors.Is(err, job.ErrForgotten) {
			t.meter.strays.Add(ctx, 1, t.meter.forgotten)
			t.deps.Log.ErrorContext(ctx, "host was let forget a task that has no outcome in the store; was the store restored, and its generation not raised?",
				"job", h.id, "host", r.Host)
			return nil
		}
		return err
	}
	return t.stepJob(h, job.Reported{Host: r.Host, Incarnation: r.Incarnation, Report: r.Report, Detail: r.Detail})
}

// stray is a report of a job that cannot be had. One that retention has removed
// its host may forget. One that is not in the store is not answered: its host
// keeps it, and somebody has to find out where the job went (architecture
// section 6).
func (t *tenure) stray(ctx context.Context, r *mesh.Report, err error) {
	switch {
	case errors.Is(err, store.ErrPurged):
		t.purged.add(r.Job)
		t.deps.Log.InfoContext(ctx, "host reports a job that retention has removed; it and others that do are told to forget it", "job", r.Job, "host", r.Host)
		t.tellForget(ctx, r)
	case errors.Is(err, store.ErrNotFound):
		t.unknown.add(r.Job)
		t.meter.strays.Add(ctx, 1, t.meter.unknown)
		t.deps.Log.ErrorContext(ctx, "host reports a job that is not in the store; it keeps its report", "job", r.Job, "host", r.Host)
	case t.lasting(err), t.fault != nil, planted.Bug("unread is unheard"):
	default:
		t.hearAgain(r.Job, r.Host)
		t.deps.Log.WarnContext(ctx, "job of a report cannot be read; it is asked for again later", "job", r.Job, "host", r.Host, "error", err)
	}
}

// Final reports whether a task is final and durable by its host's word, so that
// the outputs of this attempt need not be fetched; those of a job that retention
// has removed need not either. What cannot be told is not,
// nor is LOST before a later attempt, whose outcome may replace it.
func (s *Shard) Final(ctx context.Context, id job.ID, host fleet.HostID, attempt uint32) bool {
	final := false
	err := s.Read(ctx, id, func(m *job.Machine) {
		if o, ok := m.Targets().Find(host); ok {
			v := m.Task(o)
			mayGoOn := v.Report.State == task.Lost && attempt > v.Report.Attempt
			final = v.Report.State.Final() && !v.Concluded && !mayGoOn
		}
	})
	return err == nil && final || errors.Is(err, store.ErrPurged)
}

// HostsChanged queues hosts that came, went or changed. What they are now is
// asked of the table when it is their turn. A shard without jobs that wait for
// hosts need not hear of it: a job that it accepts or reads meanwhile looks the
// hosts up itself.
func (s *Shard) HostsChanged(ctx context.Context, hosts []fleet.HostID) error {
	if s.live.Load() == 0 && s.late.Load() == 0 && s.now.Load() != nil {
		return nil
	}
	_, err := s.post(ctx, hostsChanged(hosts))
	return err
}

type hostsChanged []fleet.HostID

func (c hostsChanged) weight() (reports, bytes int) { return len(c), 0 }

func (c hostsChanged) apply(_ context.Context, t *tenure) {
	for _, h := range t.jobs {
		if h.done && !h.late || t.trial.suspects[h.id] != nil {
			continue
		}
		t.guard(h.id, func() { t.hostsOf(h, c) })
		if t.fault != nil {
			return
		}
	}
}

// hostsOf tells a job of those hosts that are its targets.
func (t *tenure) hostsOf(h *held, changed []fleet.HostID) {
	targets := h.machine.Targets()
	for _, host := range changed {
		o, ok := targets.Find(host)
		if !ok {
			continue
		}
		if ev, tell := t.deps.Hosts.Event(targets.At(o), t.clock); tell {
			_ = t.stepJob(h, ev) // a target is never an unknown host
		}
	}
}

// Returned queues what an aggregator could not do.
func (s *Shard) Returned(ctx context.Context, r mesh.Returns) error {
	ev := returned(r)
	_, err := s.post(ctx, &ev)
	return err
}

type returned mesh.Returns

func (r *returned) weight() (reports, bytes int) { return len(r.NotHere) + len(r.NotKnown), 0 }

func (r *returned) apply(ctx context.Context, t *tenure) {
	h, err := t.find(ctx, r.Job, false)
	if err != nil {
		return // it is done and out of memory, or was never here: there is nothing to send again
	}
	t.guard(h.id, func() { r.tell(t, h) })
}

func (r *returned) tell(t *tenure, h *held) {
	targets := h.machine.Targets()
	for _, o := range r.NotKnown {
		if int(o) < targets.Len() {
			t.again.heard(h.id, targets.At(o).Host) // it has nothing to say
		}
	}
	if len(r.NotHere) > 0 {
		_ = t.stepJob(h, job.NotHere{Ordinals: r.NotHere}) // an impossible ordinal has no effect
	}
	again := r.NotKnown
	if r.NeedPayload {
		again = append(again, t.unheard(h, r.Via)...)
	}
	if len(again) > 0 {
		_ = t.stepJob(h, job.NotKnown{Ordinals: again}) // likewise
	}
}

// unheard are the tasks that were dispatched through an aggregator and of which
// nothing was heard yet.
func (t *tenure) unheard(h *held, via fleet.Via) (ordinals []uint32) {
	targets := h.machine.Targets()
	for o := range uint32(targets.Len()) {
		v := h.machine.Task(o)
		if !v.Released || v.Unreachable || !dispatched(v) {
			continue
		}
		if at, here := t.deps.Hosts.Via(targets.At(o).Host); here && at == via {
			ordinals = append(ordinals, o)
		}
	}
	return ordinals
}
