package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// disk is a host's state directory: the one durable truth of the host. All of it
// is synced, but for the agent's copies.
type disk struct {
	inc      fleet.Incarnation
	session  uint64 // the last number
	w        time.Time
	commands []*command // by plan; nil: no directory
	tombs    []*tomb    // by plan
	copies   []*delivery
	unsynced []int // plans whose tombstones a power loss takes; a planted bug alone makes such
}

// command is a directory.
type command struct {
	plan     *plan
	accepted uint32 // the latest attempt
	stop     bool
	attempts []*attempt
}

// attempt is its records.
type attempt struct {
	claim   adopt.Claim
	by      *endProcess // that made the claim
	boot    int
	decided task.Report
	run     bool
	exit    *task.Report
}

// tomb is what is remembered without a directory.
type tomb struct {
	until    time.Time // E
	released bool
	outcome  task.Report // if it is not released
}

func newDisk(inc fleet.Incarnation) *disk {
	return &disk{inc: inc, commands: make([]*command, mostPlans), tombs: make([]*tomb, mostPlans), copies: make([]*delivery, mostPlans)}
}

func (d *disk) powerLoss() {
	clear(d.copies)
	for _, n := range d.unsynced {
		d.tombs[n] = nil
	}
	d.unsynced = nil
}

func (c *command) attempt(n uint32) *attempt {
	for len(c.attempts) < int(n) {
		c.attempts = append(c.attempts, &attempt{})
	}
	return c.attempts[n-1]
}

// report is what the disk says of a task; zero: nothing.
func (d *disk) report(p *plan) task.Report {
	if t := d.tombs[p.n]; t != nil {
		return t.outcome
	}
	c := d.commands[p.n]
	if c == nil {
		return task.Report{}
	}
	a := c.attempt(c.accepted)
	r := task.Report{Attempt: c.accepted, State: task.Accepted}
	switch {
	case a.exit != nil:
		return *a.exit
	case a.claim == adopt.Decided:
		return a.decided
	case a.run:
		r.State = task.Running
	case a.claim == adopt.Begun:
		r.State = task.Starting
	}
	return r
}

// decide makes the attempt's record with an outcome that needs no start. Whoever
// makes it first has decided.
func (h *host) decide(p *plan, n uint32, r task.Report) {
	c := h.disk.commands[p.n]
	if c == nil {
		return
	}
	if a := c.attempt(n); a.claim == adopt.NoClaim {
		a.claim, a.decided = adopt.Decided, r
		h.w.recorded(h, p, r)
	}
}

// finish makes the exit record of an attempt.
func (h *host) finish(p *plan, r task.Report) {
	c := h.disk.commands[p.n]
	if c == nil {
		return
	}
	if a := c.attempt(r.Attempt); a.exit == nil {
		a.exit = &r
		h.w.recorded(h, p, r)
	}
}
