package sim

import (
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// user submits one job and steers it. What is not answered is asked again, and
// now and then what was answered too.
type user struct {
	proc
	plan     *plan
	skipped  bool
	signed   bool
	accepted bool
	requests int
}

// control is a request that the user will make, whatever the job is then.
type control struct {
	at time.Duration // after the job was signed
	ev func(id string, expected uint64) job.Event
}

func newUser(w *world, p *plan) *user {
	u := &user{proc: w.newProc("user of " + p.name), plan: p}
	if w.faults&UserRuns == 0 {
		return u
	}
	for range w.pick(ofUser, 5) {
		p.controls = append(p.controls, control{at: w.drawMoment(), ev: w.drawControl()})
	}
	return u
}

// drawMoment is when a user changes its mind: now and then at once.
func (w *world) drawMoment() time.Duration {
	if w.chance(ofUser, 250) {
		return w.span(ofUser, 0, 200*time.Millisecond)
	}
	return w.span(ofUser, 0, 100*time.Second)
}

func (w *world) drawControl() func(string, uint64) job.Event {
	until, number, keep := job.Until(w.pick(ofUser, 3)), uint32(0), w.chance(ofUser, 400)
	if until == job.UntilNumber {
		number = uint32(1 + w.pick(ofUser, 3))
	}
	switch kind := w.pick(ofUser, 10); {
	case kind < 3:
		return func(id string, expected uint64) job.Event { return job.Pause{RequestID: id, Expected: expected} }
	case kind < 8:
		return func(id string, expected uint64) job.Event {
			return job.Resume{RequestID: id, Expected: expected, Until: until, Targets: number}
		}
	}
	return func(id string, expected uint64) job.Event {
		return job.Cancel{RequestID: id, Expected: expected, KeepRunning: keep}
	}
}

func (u *user) start() {
	w, p := u.w, u.plan
	if w.opt.Skip&(1<<p.n) != 0 {
		u.skipped = true
		return
	}
	u.rise()
	w.at(p.at, func() {
		if u.signed = p.sign(w); !u.signed {
			u.skipped = true
			return
		}
		w.watch(p)
		w.sawIf(p.parent != nil, "a retry was signed")
		w.say("user", "signs %s%s: %d targets, start-by %s, deadline %s, rollout %s", p.name, p.kind(), p.targets.Len(),
			p.spec.StartBy.Sub(w.began), p.spec.Rollout.Deadline.Sub(w.began), describe(&p.spec.Rollout))
		u.submit()
		for _, c := range p.controls {
			u.after(c.at, func() { u.ask(c.ev, w.chance(ofUser, 300)) })
		}
		u.every(w.span(ofUser, 3*time.Second, 15*time.Second), u.look)
	})
}

// owner is where the user is sent to: who should own the shard.
func (u *user) owner() *tenure {
	n := u.w.coord.should[u.plan.shard]
	if n < 0 {
		return nil
	}
	if t := u.w.scheds[n].tenures; len(t) > 0 && t[u.plan.shard] != nil && t[u.plan.shard].serving {
		return t[u.plan.shard]
	}
	return nil
}

// request asks the owner for something until it is answered. An error that says
// no is an answer.
func (u *user) request(ask func(t *tenure, answer func(error)), done func(error)) {
	w := u.w
	again := func() { u.after(w.span(ofUser, 300*time.Millisecond, 3*time.Second), func() { u.request(ask, done) }) }
	t := u.owner()
	if t == nil {
		if w.now.Before(w.end) {
			again()
		}
		return
	}
	w.call(&u.proc, &t.proc, 5*time.Second, func(reply func(func())) {
		if !t.serving {
			reply(again)
			return
		}
		t.post(func() {
			ask(t, func(err error) {
				reply(func() {
					if errors.Is(err, errNotOwner) {
						again()
						return
					}
					done(err)
				})
			})
		})
	}, again)
}

func (u *user) submit() {
	p := u.plan
	if u.w.now.After(p.spec.StartBy) {
		return // it would be refused
	}
	u.request(func(t *tenure, answer func(error)) { t.submit(p, answer) }, func(err error) {
		if err == nil && !u.accepted {
			u.accepted = true
			u.w.acceptedByUser(p)
		}
	})
}

// ask makes a control request, and perhaps the same once more, later.
func (u *user) ask(ev func(string, uint64) job.Event, twice bool) {
	w, p := u.w, u.plan
	row := w.store.jobs[p.n]
	if row == nil {
		return
	}
	u.requests++
	expected := uint64(0)
	if w.chance(ofUser, 400) {
		expected = row.row.ControlRevision
	}
	request := ev(requestID(p, u.requests), expected)
	w.saw("a user asked for something")
	w.sawIf(w.faults&UserRuns != 0, UserRuns.String())
	w.say("user", "asks of %s: %s", p.name, describeControl(request))
	send := func(done func(error)) {
		u.request(func(t *tenure, answer func(error)) { t.control(p, request, answer) }, done)
	}
	send(func(error) {
		if twice {
			u.after(w.span(ofUser, 0, 30*time.Second), func() {
				w.say("user", "asks the same again of %s", p.name)
				send(func(error) {})
			})
		}
	})
}

// look resumes a job that is paused, if its user attends to it, and submits
// once more what a restored store has lost.
func (u *user) look() {
	w, p := u.w, u.plan
	row := w.store.jobs[p.n]
	switch {
	case row == nil && u.accepted:
		w.saw("a lost job was submitted again")
		u.submit()
	case row != nil && row.row.State == job.Paused && p.attended && w.chance(ofUser, 600):
		until := job.Until(w.pick(ofUser, 3))
		number := uint32(0)
		if until == job.UntilNumber {
			number = uint32(1 + w.pick(ofUser, 3))
		}
		u.ask(func(id string, expected uint64) job.Event {
			return job.Resume{RequestID: id, Expected: expected, Until: until, Targets: number}
		}, w.faults&UserRuns != 0 && w.chance(ofUser, 400))
	}
}
