package shard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Bounds of a trial.
const (
	trialTime   = 10 * time.Second // an owner that lives on for so long has proven its jobs
	provenAtOne = 256              // jobs of which that is written at a time
	giveBack    = time.Second      // that an owner takes at its end to write it
)

// trial is how a tenure lives with jobs that may kill it. A panic of a job is
// caught; the end of the process is not (a stack that grew too large, no memory,
// a panic in another goroutine), and the job would go from scheduler to scheduler
// and end them all. So who loads a job marks it as unproven, and clears that when
// it has lived with it for a while. Who then finds the mark knows that the owner
// before died early, and takes the jobs that it had in hand one at a time, each
// with a mark of its own that is taken back with what came of it. Two deaths with
// the same job in hand are no accident.
type trial struct {
	suspects map[job.ID]*suspect
	waiting  []job.ID  // suspects that are not loaded yet
	inHand   *suspect  // whose mark is durable; nil: none
	ends     time.Time // when all are proven; it moves while some wait
	over     bool
}

// suspect is a job that an owner had which died early.
type suspect struct {
	id     job.ID
	row    job.Row // as it was found, for as long as the job is not loaded
	before job.Trial
	loaded bool
}

// charge puts into a record what this process knows and the store does not, and
// reports whether there was anything.
func (s *Shard) charge(rec *store.Record) (changed bool) {
	trial := &rec.Row.Trial
	if mark := s.left; mark != nil && mark.id == rec.ID && s.calm { // nobody died: it panicked, or the store was away
		trial.Deaths, trial.Why, changed = mark.before.Deaths, mark.before.Why, true
	}
	why, crashed := s.unwritten[rec.ID]
	switch {
	case crashed: // that of one that cannot be written is known here alone
		trial.Crashes, trial.Why = uint8(min(max(int(trial.Crashes)+1, s.crashes[rec.ID]), math.MaxUint8)), why
	case trial.Crashes == 0: // an operator has reinstated it since
		delete(s.crashes, rec.ID)
	}
	return changed || crashed
}

// suspicious reports whether a job is to be taken in hand alone: the owner before
// died early, or with it in hand. That it was this very process shows that nobody
// died.
func (s *Shard) suspicious(t job.Trial) bool {
	return t.Deaths > 0 || t.Unproven && !s.calm
}

// judge sorts what is to be loaded, makes that durable, and loads what is not
// suspicious.
func (t *tenure) judge(ctx context.Context, records []store.Record) error {
	var marks store.Batch
	var calm []*store.Record
	for i := range records {
		rec := &records[i]
		changed, marked := t.charge(rec), rec.Row.Trial.Unproven
		if rec.Row.Trial.Condemned() && !planted.Bug("a poisoned job is not set aside") {
			if err := t.quarantine(ctx, rec, nil); err != nil {
				return err
			}
			continue
		}
		if t.suspicious(rec.Row.Trial) {
			t.suspect(rec)
		} else {
			calm = append(calm, rec)
		}
		if rec.Row.Trial.Unproven = true; changed || !marked {
			marks.Jobs = append(marks.Jobs, store.JobBatch{ID: rec.ID, Persist: job.Persist{Row: &rec.Row}})
		}
	}
	if err := t.mark(ctx, marks); err != nil {
		return err
	}
	for _, rec := range calm {
		if err := t.restoreLive(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// mark writes marks. They are a precaution: a job whose row cannot be written has
// other troubles, and they show when it owes something.
func (t *tenure) mark(ctx context.Context, b store.Batch) error {
	if len(b.Jobs) == 0 {
		return nil
	}
	_, err := t.write(ctx, b)
	if errors.Is(err, store.ErrBatch) {
		t.deps.Log.WarnContext(ctx, "trial of jobs cannot be written; it goes on without", "shard", t.id, "error", err)
		return nil
	}
	return err
}

// handsFull waits until no other shard of this process has a suspect in hand, and
// returns what lets the next one have one. It waits for two commits of each at
// most; all that is not suspicious goes on in those other shards meanwhile.
func (t *tenure) handsFull() (empty func()) {
	if t.deps.InHand == nil {
		return func() {}
	}
	t.deps.InHand <- struct{}{}
	return func() { <-t.deps.InHand }
}

func (t *tenure) suspect(rec *store.Record) {
	s := &suspect{id: rec.ID, row: rec.Row, before: rec.Row.Trial}
	s.before.Unproven = true
	t.trial.suspects[rec.ID] = s
	t.trial.waiting = append(t.trial.waiting, rec.ID)
}

// admit loads the next suspect.
func (t *tenure) admit(ctx context.Context) {
	if t.fault != nil || len(t.trial.waiting) == 0 {
		return
	}
	id := t.trial.waiting[0]
	t.trial.waiting = t.trial.waiting[1:]
	t.alone(ctx, id, func() {})
	t.trial.ends = t.clock.Add(trialTime)
}

// alone does something with one job, and writes what came of it, before anything
// else is done with another. Of a suspect it is durable meanwhile that it is in
// hand.
func (t *tenure) alone(ctx context.Context, id job.ID, do func()) {
	if t.fault == nil && len(t.touched)+len(t.after) > 0 {
		t.fault = t.settle(ctx)
	}
	s := t.trial.suspects[id]
	if s != nil && t.fault == nil {
		defer t.handsFull()()
		t.fault = t.takeInHand(ctx, s)
	}
	if t.fault != nil {
		return
	}
	do()
	if h := t.jobs[id]; h != nil && s != nil {
		t.touch(h) // to take the mark back
	}
	if t.fault == nil {
		t.fault = t.settle(ctx)
	}
	if t.fault == nil {
		t.trial.inHand = nil
	}
}

// takeInHand marks a suspect, and loads it if it is not loaded yet.
func (t *tenure) takeInHand(ctx context.Context, s *suspect) error {
	if _, aside := t.quarantined[s.id]; aside {
		return nil
	}
	row := s.row
	h := t.jobs[s.id]
	if s.loaded && h == nil {
		return nil // it is done and out of memory
	}
	if h != nil {
		row = h.machine.Row()
	}
	row.Trial = s.before
	row.Trial.Deaths++
	row.Trial.Why = fmt.Sprintf("scheduler %s died when it had nothing in hand but this job, at %s or soon after", t.owner, t.clock.UTC().Format(time.RFC3339))
	t.trial.inHand = s
	if err := t.mark(ctx, store.Batch{Jobs: []store.JobBatch{{ID: s.id, Persist: job.Persist{Row: &row}}}}); err != nil {
		return err
	}
	if h != nil {
		h.written = row.Trial
		return nil
	}
	return t.loadSuspect(ctx, s)
}

func (t *tenure) loadSuspect(ctx context.Context, s *suspect) error {
	rec, err := t.deps.Store.LoadJob(context.WithoutCancel(ctx), s.id) // the end of ctx is no death
	if err != nil {
		return fmt.Errorf("cannot load job %s: %w", s.id, err)
	}
	s.loaded = true
	if err := t.restoreLive(ctx, &rec); err != nil {
		return err
	}
	h := t.jobs[s.id]
	if h == nil {
		return nil // it made no sense, and is set aside
	}
	h.trial = s.before
	t.live.Add(1)
	t.meet(h)
	t.touch(h)
	return t.fault
}

// putDown takes back the mark of a job that is in hand when the tenure ends: this
// process lives. It returns the job if that could not be written; then this
// process knows it, as long as it is the next owner.
func (t *tenure) putDown(ctx context.Context) (left *suspect) {
	s := t.trial.inHand
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
	defer cancel()
	j, err := t.deps.Store.GetJob(ctx, s.id)
	if err == nil && j.Row.State != job.Quarantined {
		row := j.Row
		row.Trial = s.before
		err = t.writeLast(ctx, store.JobBatch{ID: s.id, Persist: job.Persist{Row: &row}})
	}
	if err != nil {
		return s
	}
	return nil
}

// withTrial is what a job owes, with its trial, which may be all.
func (t *tenure) withTrial(h *held, p job.Persist) job.Persist {
	if h.fresh != nil || h.gone || p.Row == nil && h.trial == h.written {
		return p
	}
	row := h.machine.Row()
	if p.Row != nil {
		row = *p.Row
	}
	if row.State == job.Done {
		h.trial = h.trial.Proven()
	}
	row.Trial, h.written = h.trial, h.trial
	p.Row = &row
	return p
}

// proveJobs writes that jobs are proven, when they are.
func (t *tenure) proveJobs() {
	if t.trial.over || t.fault != nil || len(t.trial.waiting) > 0 || t.clock.Before(t.trial.ends) {
		return
	}
	n := 0
	for _, h := range t.jobs {
		if proven := h.trial.Proven(); proven != h.trial && h.fresh == nil {
			if n++; n > provenAtOne {
				return // the others in the next round
			}
			h.trial = proven
			t.touch(h)
		}
	}
	t.trial.over, t.trial.suspects = true, nil
}

// yield writes at the end of a tenure in good order that its jobs are given back:
// nobody died. If the store does not answer, the next owner takes more care than
// it has to.
func (t *tenure) yield(ctx context.Context) {
	var rows []store.JobBatch
	for _, h := range t.jobs {
		if row := h.machine.Row(); h.trial != h.trial.Proven() && !h.done && h.fresh == nil {
			row.Trial = h.trial.Proven()
			rows = append(rows, store.JobBatch{ID: h.id, Persist: job.Persist{Row: &row}})
		}
	}
	if len(rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
	defer cancel()
	if err := t.writeLast(ctx, rows...); err != nil {
		t.deps.Log.WarnContext(ctx, "shard is given back without a word on its jobs; the next owner takes them one at a time", "shard", t.id, "error", err)
	}
}

// writeLast writes rows that nothing depends on, before ctx ends or not at all.
// The fate of the batch stays open, so nothing may be written after it.
func (t *tenure) writeLast(ctx context.Context, rows ...store.JobBatch) error {
	t.number++
	_, err := t.deps.Commit.Commit(ctx, store.Batch{Shard: t.id, Epoch: t.epoch, Number: t.number, Jobs: rows})
	return err
}
