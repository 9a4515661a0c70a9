package sim

import (
	"fmt"

	"github.com/ccs-project/ccs/internal/sim/rollout"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Promise is what must hold, by name (architecture section 5).
type Promise string

// The promises.
const (
	NeverTwice        Promise = "never-twice"         // an attempt is started once at most, and the next only when it is over
	NothingLost       Promise = "nothing-lost"        // who is heard gives its outcome
	Truth             Promise = "truth"               // and that is the true one
	OneOwner          Promise = "one-owner"           // an old owner writes nothing
	PersistBeforeSend Promise = "persist-before-send" // what is sent is durable
	ForgetAfterCommit Promise = "forget-after-commit" // no host forgets what is not durable
	Concurrency       Promise = rollout.Concurrency
	AwayTakesNoSlot   Promise = "away-takes-no-slot" // only who is here is released
	BatchBarrier      Promise = rollout.BatchBarrier
	PausePoint        Promise = rollout.PausePoint
	ResumeOnce        Promise = rollout.ResumeOnce
	Budget            Promise = rollout.Budget
	ReleaseWindow     Promise = rollout.ReleaseWindow
	ReleasedOnce      Promise = rollout.ReleasedOnce
	SettleBy          Promise = rollout.SettleBy
	Final             Promise = rollout.Final
	Counts            Promise = rollout.Counts
	NotHeldBack       Promise = rollout.NotHeldBack
	NotAfterStartBy   Promise = "not-after-start-by"   // by the host's clock
	CanceledIsOver    Promise = "canceled-not-started" // what was decided not to start does not
	ParentIsOver      Promise = "parent-is-over"       // a retry does not start beside what it retries
	KeepsRunning      Promise = "keeps-running"        // what is only withdrawn is not killed
	OnlyTargets       Promise = "only-targets"         // only the incarnation that was signed
	NoLateResume      Promise = rollout.NoLateResume
	ControlRevision   Promise = "control-revision" // it grows with control state
	Bounded           Promise = "bounded"          // all that is remembered is forgotten in the end
	Liveness          Promise = "liveness"         // every accepted job settles
)

// promises is what is remembered to check them: what was ever durable, and what
// the hosts really did.
type promises struct {
	w      *world
	broken *Violation
	jobs   []jobWatch
	deeds  map[deed]*deeds
}

// jobWatch is what is watched of one job.
type jobWatch struct {
	plan     *plan
	accepted bool // the user was told so
	seen     bool // it was in the store
	era      int  // of the store when it was first there
	lost     bool // a restored store does not have it
	released []bool
	final    []bool // was ever durable
	attempt  []uint32
	givenUp  []bool       // became UNKNOWN while the host was away, or may have been
	wish     task.Desired // that was ever durable
	ledger   *rollout.Ledger
}

// deed is a task on an incarnation of a host.
type deed struct {
	host, job int
	inc       fleet.Incarnation
}

// deeds is what the host really did, attempt by attempt.
type deeds struct {
	attempts  []deedOf
	forgotten bool // its record went
	era       int  // of the owner who said so
}

type deedOf struct {
	claims, starts int
	by             *endProcess
	outcome        task.Report   // the first that was durable
	answers        []task.Report // of a ping, which may be answered more than once
}

func newPromises(w *world) *promises { return &promises{w: w, deeds: map[deed]*deeds{}} }

// violate notes the first promise that is broken.
func (pr *promises) violate(p Promise, format string, args ...any) {
	if pr.broken != nil {
		return
	}
	w := pr.w
	pr.broken = &Violation{Promise: p, At: w.now.Sub(w.began), Step: w.steps, Text: fmt.Sprintf(format, args...)}
	w.say("PROMISE", "%s", pr.broken)
}

// watch begins to watch a job that was signed.
func (pr *promises) watch(p *plan) {
	n := p.targets.Len()
	pr.jobs[p.n] = jobWatch{plan: p, released: make([]bool, n), final: make([]bool, n), attempt: make([]uint32, n), givenUp: make([]bool, n), ledger: rollout.New(&p.spec, p.targets)}
	pr.w.saw("a job was signed")
}

func (pr *promises) acceptedByUser(p *plan) {
	pr.jobs[p.n].accepted = true
	if pr.w.store.jobs[p.n] == nil && pr.w.store.era == 0 {
		pr.violate(PersistBeforeSend, "%s was accepted and is not in the store", p.name)
	}
}

// restored: the store is what it was. Whose job it does not have any more may
// submit it again.
func (pr *promises) restored() {
	for n := range pr.jobs {
		if pr.jobs[n].seen && pr.w.store.jobs[n] == nil {
			pr.jobs[n].lost = true
		}
	}
}

// sending looks at what an owner sends: is it durable, or was it ever?
func (pr *promises) sending(p *plan, o uint32, wish task.Desired, attempt uint32) {
	j := &pr.jobs[p.n]
	host := pr.w.hosts[p.hosts[o]].id
	switch {
	case wish == task.DesiredRun && (!j.released[o] || j.attempt[o] < attempt):
		pr.violate(PersistBeforeSend, "attempt %d of %s is dispatched to %s, and that is not durable", attempt, p.name, host)
	case wish > task.DesiredRun && wish < task.DesiredGone && j.wish < wish:
		pr.violate(PersistBeforeSend, "%s is told to %s %s, and that is not durable", host, wish, p.name)
	case wish == task.DesiredGone && !j.final[o]:
		pr.violate(PersistBeforeSend, "%s is told to forget %s, whose outcome is not durable", host, p.name)
	}
}

// noted remembers what was ever durable.
func (j *jobWatch) noted(p *part) {
	for _, o := range p.persist.Released {
		j.released[o] = true
		j.attempt[o] = max(j.attempt[o], 1)
	}
	for i := range p.persist.Tasks {
		row := &p.persist.Tasks[i]
		j.attempt[row.Ordinal] = max(j.attempt[row.Ordinal], row.Report.Attempt)
		j.final[row.Ordinal] = j.final[row.Ordinal] || row.Report.State.Final()
	}
	j.wish = max(j.wish, p.persist.Row.Wish)
}

func (pr *promises) deed(h *host, p *plan) *deeds {
	key := deed{h.n, p.n, h.disk.inc}
	d := pr.deeds[key]
	if d == nil {
		d = &deeds{}
		pr.deeds[key] = d
	}
	return d
}

func (d *deeds) attempt(n uint32) *deedOf {
	for len(d.attempts) < int(n) {
		d.attempts = append(d.attempts, deedOf{})
	}
	return &d.attempts[n-1]
}

// claimed: an end-process has made the record of an attempt.
func (pr *promises) claimed(h *host, ep *endProcess) {
	p, d := ep.plan, pr.deed(h, ep.plan)
	if clock := h.clock(); clock.After(p.startBy(ep.attempt)) {
		pr.violate(NotAfterStartBy, "%s starts attempt %d of %s %s after its start-by, by its clock", h.id, ep.attempt, p.name, clock.Sub(p.startBy(ep.attempt)))
	}
	d.attempt(ep.attempt).claims++
}

// started: the user's process runs.
func (pr *promises) started(h *host, ep *endProcess) {
	w, p, d := pr.w, ep.plan, pr.deed(h, ep.plan)
	a := d.attempt(ep.attempt)
	a.starts++
	a.by = ep
	w.saw("an attempt was started")
	w.say(string(h.id), "STARTS attempt %d of %s", ep.attempt, p.name)
	o, named := p.ordinal[h.n]
	switch {
	case !named || p.targets.At(o).Incarnation != h.disk.inc:
		pr.violate(OnlyTargets, "%s starts %s, and its incarnation is no target", h.id, p.name)
	case p.spec.Ping:
		pr.violate(OnlyTargets, "%s starts %s, which is a ping", h.id, p.name)
	case ep.attempt > max(1, p.spec.MaxAttempts):
		pr.violate(NeverTwice, "%s starts attempt %d of %s, of which %d are allowed", h.id, ep.attempt, p.name, max(1, p.spec.MaxAttempts))
	case a.starts > 1:
		pr.violate(NeverTwice, "%s starts attempt %d of %s a second time", h.id, ep.attempt, p.name)
	case a.outcome.State != task.Unspecified && !mayHaveRun(a.outcome):
		pr.violate(CanceledIsOver, "%s starts attempt %d of %s, which it has said to be %s", h.id, ep.attempt, p.name, a.outcome.State)
	}
	if ep.attempt == 1 {
		return
	}
	w.saw("a later attempt was started")
	w.sawIf(ep.attempt > 2, "a third attempt was started")
	switch before := d.attempt(ep.attempt - 1); {
	case before.by != nil && before.by.leader:
		pr.violate(NeverTwice, "%s starts attempt %d of %s while the one before runs", h.id, ep.attempt, p.name)
	case before.outcome.State != task.Lost:
		pr.violate(NeverTwice, "%s starts attempt %d of %s, and the one before is %s", h.id, ep.attempt, p.name, before.outcome.State)
	}
}

// handing: an agent hands a task over to its executor.
func (pr *promises) handing(h *host, p *plan) {
	if p.parent == nil || h.disk.commands[p.parent.n] == nil {
		return
	}
	if r := h.disk.report(p.parent); r.State.Live() {
		pr.violate(ParentIsOver, "%s takes %s while %s, which it retries, is %s there", h.id, p.name, p.parent.name, r.State)
	}
}

// recorded: the host's disk has an outcome.
func (pr *promises) recorded(h *host, p *plan, r task.Report) {
	a := pr.deed(h, p).attempt(r.Attempt)
	if a.outcome.State == task.Unspecified {
		a.outcome = r
	}
	if r.State == task.Canceled && r.Exit.Reason == task.Killed && pr.jobs[p.n].wish < task.DesiredStop {
		pr.violate(KeepsRunning, "%s has killed attempt %d of %s, and no more was ever wished than to %s", h.id, r.Attempt, p.name, pr.jobs[p.n].wish)
	}
	if !mayHaveRun(r) && a.starts > 0 {
		pr.violate(CanceledIsOver, "%s has started attempt %d of %s and says that it is %s", h.id, r.Attempt, p.name, r.State)
	}
	if p.spec.Ping {
		a.answers = append(a.answers, r)
	}
	pr.w.say(string(h.id), "attempt %d of %s is %s %s", r.Attempt, p.name, r.State, r.Exit.Reason)
}

// answered: a ping was. That is no deed, and leaves nothing on the disk.
func (pr *promises) answered(h *host, p *plan, r task.Report) {
	a := pr.deed(h, p).attempt(r.Attempt)
	pr.w.saw("a ping was answered")
	pr.w.sawIf(len(a.answers) > 0, "a ping was answered again")
	a.answers = append(a.answers, r)
}

// forgetting: the host lets go of the record of a task.
func (pr *promises) forgetting(h *host, p *plan, era int) {
	o, named := p.ordinal[h.n]
	d := pr.deed(h, p)
	d.forgotten, d.era = true, era
	if !named || !pr.jobs[p.n].final[o] {
		pr.violate(ForgetAfterCommit, "%s forgets %s, whose outcome was never durable", h.id, p.name)
	}
}

// mayHaveRun reports whether an outcome of a host says that the attempt ran, or
// may have.
func mayHaveRun(r task.Report) bool {
	if r.State == task.Canceled {
		return r.Exit.Reason == task.Killed
	}
	return r.State != task.Expired && r.State != task.Refused && r.State != task.StartFailed
}

// strict reports whether the rollout of a job can be judged: its store was not
// restored since it came.
func (pr *promises) strict(j *jobWatch) bool { return j.era == pr.w.store.era }

func outcomeOf(row *job.TaskRow) task.Report {
	if row == nil {
		return task.Report{}
	}
	return row.Report
}
