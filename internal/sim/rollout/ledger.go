package rollout

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Ledger is one job, counted a second time. A write costs what it changes. Not
// safe for concurrent use.
type Ledger struct {
	Layout
	Name func(ordinal uint32) string // of a target, for reports

	spec  *job.Spec
	limit int // concurrency in targets

	row      job.Row // the last that was written
	released []bool
	states   []task.State // by ordinal
	settled  []task.Report
	own      []bool // by ordinal: the outcome is the scheduler's word
	counts   [task.Succeeded/64 + 1]int
	requests map[string]bool
	resumes  map[string]resumed // that were made, durable or not

	inFlight, bad, nReleased int
	gate, batchGate          int // 0: none is ahead
	forgiven                 int
}

// resumed is what was so when a resume was made.
type resumed struct {
	ev            job.Resume
	released, bad int
	batch         int
	budget        bool // the budget was spent
	settled       bool // all that was released
	batchOver     bool
	unsure        bool // more has happened in the same round: whether the batch was over cannot be told
}

// Write is what one job writes in a transaction, and what its owner knew then.
type Write struct {
	*job.Persist

	Clock   time.Time // the latest that the owner has told the machine
	Excused Excused
}

// Excused reports whether a host is away for so long, so that no batch waits for it.
type Excused func(ordinal uint32, wait time.Duration) bool

// New is the ledger of a job of which nothing was written yet.
func New(spec *job.Spec, targets *job.Targets) *Ledger {
	n := targets.Len()
	l := &Ledger{
		Layout: Lay(&spec.Rollout, targets), spec: spec, limit: n,
		Name:     func(o uint32) string { return string(targets.At(o).Host) },
		released: make([]bool, n), states: make([]task.State, n), settled: make([]task.Report, n), own: make([]bool, n),
		requests: map[string]bool{}, resumes: map[string]resumed{},
		gate: next(spec.Rollout.PauseAfter, 0), batchGate: next(spec.Rollout.PauseBatches, 0),
	}
	if c := spec.Rollout.Concurrency; !c.IsZero() {
		l.limit = c.Of(n)
	}
	for o := range l.states {
		l.states[o] = task.Pending
	}
	l.counts[task.Pending/64] = n
	return l
}

func next(points []uint32, beyond int) int {
	for _, p := range points {
		if int(p) > beyond {
			return int(p)
		}
	}
	return 0
}

// isBad reports whether the budget counts an outcome.
func (l *Ledger) isBad(s task.State) bool {
	return s.Bad() && !slices.Contains(l.spec.Rollout.Tolerated, s)
}

// Made notes a resume that had an effect, on a job that was so.
func (l *Ledger) Made(ev job.Resume, before job.Row, excused Excused) {
	r := resumed{ev: ev, released: int(before.Released), batch: int(before.Batch), budget: before.Pause == job.PausedByBudget, settled: before.InFlight() == 0}
	atPoint := before.Pause == job.PausedAtPoint && (l.gate == 0 || r.released < l.gate || !r.settled)
	switch {
	case atPoint:
		r.batchOver = true // whatever has been heard of hosts since
	case l.batchGate > 0 && r.batch+1 >= l.batchGate:
		r.batchOver = r.settled && l.over(r.batch, excused)
		r.unsure = before.Counts.Of(task.Pending) != l.counts[task.Pending/64]
	}
	for s, n := range before.Counts.All() {
		if l.isBad(s) {
			r.bad += n
		}
	}
	l.resumes[ev.RequestID] = r
}

// Look looks at a write before it is applied, and notes it.
func (l *Ledger) Look(w Write, report Report) {
	for i := range w.Tasks {
		l.becomes(w, &w.Tasks[i], report)
	}
	for _, c := range w.Controls {
		l.control(w, c, report)
	}
	if l.row.Revision > 0 && l.row.State != job.Running && w.Row.State == job.Running && !slices.ContainsFunc(w.Controls, isResume) {
		report(NoLateResume, "it goes on, and nobody has resumed it")
	}
	for b := l.row.Batch; b < w.Row.Batch; b++ {
		l.barrier(w, int(b), report)
	}
	l.release(w, report)
	l.paused(w, report)
	l.row = *w.Row
	l.count(report)
}

// becomes notes what a task has become.
func (l *Ledger) becomes(w Write, row *job.TaskRow, report Report) {
	o, now := row.Ordinal, row.Report
	before, was := l.states[o], l.settled[o]
	l.move(o, now.State)
	if !before.Settled() && now.State == task.Unknown && w.Clock.Before(l.settleBy(now.Attempt)) {
		report(SettleBy, "%s is UNKNOWN %s before its settle-by", l.Name(o), l.settleBy(now.Attempt).Sub(w.Clock))
	}
	guess := l.own[o] && (was.Exit.Reason == task.StateWiped || was.Exit.Reason == task.Forgotten)
	switch {
	case before.Settled() && !now.State.Settled():
		report(Final, "%s was %s and is %s", l.Name(o), before, now.State)
	case before.Final() && was != now && !guess:
		report(Final, "%s was %s %s and is %s %s", l.Name(o), before, was.Exit.Reason, now.State, now.Exit.Reason)
	case now.State == task.Skipped && l.released[o]:
		report(Final, "%s was released and is SKIPPED", l.Name(o))
	}
	if now.State.Settled() {
		l.settled[o], l.own[o] = now, row.Concluded
	}
}

// settleBy is when a user may stop waiting for an attempt (architecture section 4).
func (l *Ledger) settleBy(attempt uint32) time.Time {
	s := l.spec
	start, end := s.StartBy, s.Rollout.Deadline
	if attempt > 1 {
		start = s.RerunUntil
	}
	if by := start.Add(s.Timeout); s.Timeout > 0 && !s.TimeoutReportOnly && by.Before(end) {
		end = by
	}
	if s.Grace > 0 {
		return end.Add(s.Grace + job.Slack)
	}
	return end.Add(job.DefaultGrace + job.Slack)
}

func (l *Ledger) move(o uint32, to task.State) {
	from := l.states[o]
	l.states[o] = to
	l.counts[from/64]--
	l.counts[to/64]++
	if l.released[o] && !from.Settled() && to.Settled() {
		l.inFlight--
	}
	if l.isBad(from) {
		l.bad--
		if l.forgiven > 0 && !l.isBad(to) {
			l.forgiven-- // late truth: nothing else is forgiven in its place
		}
	}
	if l.isBad(to) {
		l.bad++
	}
}

// count compares the row with what was counted here.
func (l *Ledger) count(report Report) {
	for i, n := range l.counts {
		if s := task.State(i * 64); l.row.Counts.Of(s) != n {
			report(Counts, "the row counts %d %s, there are %d", l.row.Counts.Of(s), s, n)
		}
	}
	if int(l.row.Released) != l.nReleased || l.row.InFlight() != l.inFlight {
		report(Counts, "the row counts %d released and %d in flight, there are %d and %d", l.row.Released, l.row.InFlight(), l.nReleased, l.inFlight)
	}
}

func isResume(c job.ControlRow) bool { return c.Kind == job.ResumeRequest }
