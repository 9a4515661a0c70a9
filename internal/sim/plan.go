package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// plan is a job as its user signed it, and what the world makes of it.
type plan struct {
	n       int
	name    string
	at      time.Time
	spec    job.Spec
	targets *job.Targets // frozen when it is signed
	hosts   []int        // by ordinal
	ordinal map[int]uint32
	shard   int

	large    bool         // its capsule is fetched
	parent   *plan        // that it retries; nil: none
	outcomes []task.State // of the parent, that it retries; none: its user has not asked who they are

	longest  time.Duration // that a task takes
	failing  int           // of a thousand tasks
	hanging  int           // of a thousand tasks: they do not end by themselves
	attended bool          // somebody resumes it
	controls []control
}

// startBy is the signed moment after which no attempt starts.
func (p *plan) startBy(attempt uint32) time.Time {
	if attempt > 1 {
		return p.spec.RerunUntil
	}
	return p.spec.StartBy
}

// until is E.
func (p *plan) until() time.Time {
	if p.spec.RerunUntil.After(p.spec.StartBy) {
		return p.spec.RerunUntil
	}
	return p.spec.StartBy
}

// over is when the last of its tasks has settled, if nobody owns it late.
func (p *plan) over() time.Time { return p.spec.Rollout.Deadline.Add(job.DefaultGrace + job.Slack) }

// ending is how a task ends by itself, and after how long. Every attempt is
// alike on each run.
func (p *plan) ending(h *host, attempt uint32) (time.Duration, task.Report) {
	mix := uint64(p.n+1)*0x9e3779b97f4a7c15 ^ uint64(h.n+1)*0xbf58476d1ce4e5b9 ^ uint64(attempt)*0x94d049bb133111eb
	mix ^= mix >> 29
	r := task.Report{Attempt: attempt, State: task.Succeeded}
	if int(mix%1000) < p.failing {
		r.State, r.Exit.Code = task.Failed, int32(1+mix>>40%3)
	}
	if int(mix>>20%1000) < p.hanging {
		return forever, r
	}
	return 20*time.Millisecond + time.Duration(mix>>8%uint64(p.longest)), r
}

// lacks reports whether a host has not what the command needs, such as its account.
func (p *plan) lacks(h *host) bool { return (p.n*7+h.n*3)%23 == 0 }

// forever is how long a task takes that does not end by itself.
const forever = time.Hour

// draw decides what is asked. The targets come when it is signed.
func (w *world) draw(n int, parent *plan) *plan {
	p := &plan{n: n, name: fmt.Sprintf("job %d", n), parent: parent}
	p.at = w.began.Add(w.span(ofPlan, time.Second, 100*time.Second))
	var salt [10]byte
	for i := range salt {
		salt[i] = byte(w.pick(ofPlan, 256))
	}
	s := &p.spec
	if parent != nil {
		p.outcomes = [][]task.State{retried(), {task.Unknown, task.Lost, task.Failed}, {task.Unknown, task.Canceled, task.Succeeded}, nil}[w.pick(ofPlan, 4)]
		p.at = parent.at.Add(w.span(ofPlan, 5*time.Second, parent.over().Sub(parent.at)))
		if slices.Contains(p.outcomes, task.Unknown) {
			p.at = parent.over().Add(w.span(ofPlan, time.Second, 30*time.Second))
		}
	}
	s.ID, s.Pool, s.Class, s.Created = job.NewID(p.at, salt), pool, classes()[w.pick(ofPlan, 2)], p.at
	if parent != nil {
		s.Parent = parent.spec.ID
	}
	s.StartBy = p.at.Add(w.span(ofPlan, 15*time.Second, 120*time.Second))
	s.Grace = w.span(ofPlan, time.Second, 10*time.Second)
	s.Rollout.Deadline = s.StartBy
	if w.chance(ofPlan, 700) {
		s.Rollout.Deadline = s.StartBy.Add(w.span(ofPlan, time.Second, 100*time.Second))
	}
	if w.chance(ofPlan, 150) {
		s.NotBefore = p.at.Add(w.span(ofPlan, time.Second, 20*time.Second))
	}
	if w.chance(ofPlan, 500) {
		s.Timeout = w.span(ofPlan, 3*time.Second, 40*time.Second)
		s.TimeoutReportOnly = w.chance(ofPlan, 300)
	}
	if s.Ping = parent == nil && w.chance(ofPlan, 120); !s.Ping && w.chance(ofPlan, 700) {
		s.MaxAttempts = uint32(2 + w.pick(ofPlan, 2))
		s.RerunUntil = p.at.Add(w.span(ofPlan, 10*time.Second, s.Rollout.Deadline.Sub(p.at)))
	}
	p.longest = w.span(ofPlan, time.Second, 60*time.Second)
	p.failing = []int{0, 0, 150, 500}[w.pick(ofPlan, 4)]
	p.hanging = []int{0, 0, 0, 250}[w.pick(ofPlan, 4)]
	p.large = w.chance(ofPlan, 250)
	p.attended = w.chance(ofPlan, 700)
	w.drawRollout(&s.Rollout)
	p.shard = int(job.ShardOf(s.ID, shards))
	return p
}

func (w *world) drawRollout(r *job.Rollout) {
	amount := func() job.Amount {
		if w.chance(ofPlan, 300) {
			return job.Amount{Percent: uint32(1 + w.pick(ofPlan, 60))}
		}
		return job.Amount{Count: uint32(1 + w.pick(ofPlan, 3))}
	}
	ascending := func() (list []uint32) {
		at := uint32(0)
		for range w.pick(ofPlan, 3) {
			at += uint32(1 + w.pick(ofPlan, 3))
			list = append(list, at)
		}
		return list
	}
	r.Concurrency.Count = uint32(w.pick(ofPlan, 5))
	r.Order = []job.Order{job.AsListed, job.SpreadRooms}[w.pick(ofPlan, 2)]
	if w.chance(ofPlan, 600) {
		for range 1 + w.pick(ofPlan, 3) {
			r.Batches = append(r.Batches, amount())
		}
		if w.chance(ofPlan, 500) {
			r.PauseBatches = ascending()
		}
	}
	if w.chance(ofPlan, 500) {
		r.PauseAfter = ascending()
	}
	if w.chance(ofPlan, 600) {
		r.MaxFailures = job.Budget{Limited: true, Count: uint32(w.pick(ofPlan, 3))}
		r.FailureAction = []job.FailureAction{job.DefaultAction, job.PauseOnFailure, job.AbortOnFailure}[w.pick(ofPlan, 3)]
		r.Tolerated = [][]task.State{nil, nil, {task.Failed}, {task.Failed, task.Unknown}, {task.Expired, task.Lost}}[w.pick(ofPlan, 5)]
	}
	r.WaitOffline = time.Duration([]int{0, 1, 20}[w.pick(ofPlan, 3)]) * time.Second
}

// classes are those of importance.
func classes() []string { return []string{"standard", "bulk"} }

// class is the index of its class.
func (p *plan) class() int { return slices.Index(classes(), p.spec.Class) }

// retried are the outcomes that a retry means if it names none.
func retried() []task.State {
	return []task.State{task.Expired, task.Refused, task.StartFailed, task.TimedOut, task.Failed}
}

// resolves reports whether a host is a target: of a retry who has ended so.
func (p *plan) resolves(w *world, h *host) bool {
	if p.parent == nil {
		return !w.chance(ofPlan, 100) || len(p.hosts) == 0
	}
	row, o, was := w.store.jobs[p.parent.n], uint32(0), false
	if row != nil {
		o, was = p.parent.ordinal[h.n]
	}
	return was && (p.outcomes == nil || slices.Contains(p.outcomes, outcomeOf(row.tasks[o]).State))
}

// sign freezes the targets, as the host table has them now; false: there are none.
func (p *plan) sign(w *world) bool {
	var b job.TargetsBuilder
	p.ordinal = map[int]uint32{}
	for room := range rooms {
		for _, h := range w.hosts {
			if h.room != room || !p.resolves(w, h) {
				continue
			}
			p.ordinal[h.n] = uint32(len(p.hosts))
			p.hosts = append(p.hosts, h.n)
			if err := b.Add(roomName(room), job.Target{Host: h.id, Incarnation: w.store.rows[h.n]}); err != nil {
				panic(err)
			}
		}
	}
	if len(p.hosts) == 0 {
		return false
	}
	targets, err := b.Build()
	if err != nil {
		panic(err)
	}
	p.targets = targets
	return true
}

func roomName(n int) fleet.Room { return fleet.Room(fmt.Sprintf("r%d", n)) }
