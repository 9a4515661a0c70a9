package scale

import (
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Times of a host.
const (
	heartbeatEvery = 10 * time.Second
	diskTime       = 2 * time.Millisecond
	startTime      = 3 * time.Millisecond
	atOnce         = 64 // reports in a heartbeat
)

// host is an agent and its executor, with the disk between them.
type host struct {
	w       *world
	n, room int
	id      fleet.HostID
	inc     fleet.Incarnation
	number  uint64 // of its sessions
	seat    *seat  // its session; nil: it is away
	absent  bool
	changed time.Duration // since when it is away, or here
	beat    uint64
	replies link.Cursor
	out     *link.Outbox[*work]
	works   []*work
	kicked  bool
	ticking bool
}

// work is a task on its host's disk.
type work struct {
	plan    *plan
	ordinal uint32
	seen    task.Report
	want    task.Desired
	busy    bool // something is being done for it
}

func newHost(w *world, room, n int) *host {
	at := len(w.hosts)
	return &host{
		w: w, n: at, room: room, id: fleet.HostID(fmt.Sprintf("host-%03d-%05d", room, n)),
		inc: fleet.Incarnation{0: 1, 13: byte(at >> 16), 14: byte(at >> 8), 15: byte(at)}, out: link.NewOutbox[*work](),
	}
}

// drawAbsence plans when the host goes away, and when it comes back. Who goes for
// good does so before anything is released to it: a batch waits for what it has
// released until the settle-by, which would be all that this run shows.
func (h *host) drawAbsence() {
	w := h.w
	if w.random.IntN(4) == 0 {
		w.at(w.span(3*time.Second, 6*time.Second), func() { h.leave(false) })
		return
	}
	from, longest := w.span(8*time.Second, 4*time.Minute), 90*time.Second
	if w.random.IntN(20) == 0 {
		longest = 15 * time.Minute
	}
	silent := w.random.IntN(2) == 0
	w.at(from, func() { h.leave(silent) })
	w.at(from+w.span(2*time.Second, longest), h.come)
}

// come opens a session at an aggregator of the room. All that is not forgotten is
// said again in it.
func (h *host) come() {
	w := h.w
	g := w.aggs[h.room*perRoom+w.random.IntN(perRoom)]
	h.number++
	h.absent, h.changed, h.beat, h.replies = false, w.now, 0, link.Cursor{}
	h.out.Open("")
	se := &seat{agg: g, host: h, number: h.number}
	h.seat = se
	w.after(sessionHop, func() { g.open(se) })
	h.speak()
	h.tick()
}

// leave ends the session, and what runs goes on. Silent: the aggregator misses it
// only when heartbeats are missing.
func (h *host) leave(silent bool) {
	se, d := h.seat, sessionHop
	if silent {
		d = 3 * heartbeatEvery
	}
	h.seat, h.absent, h.changed = nil, true, h.w.now
	h.w.after(d, se.end)
}

// hostReport is what a heartbeat says of a task.
type hostReport struct {
	plan    *plan
	ordinal uint32
	seen    task.Report
}

// speak sends a heartbeat.
func (h *host) speak() {
	se := h.seat
	if se == nil {
		return
	}
	h.beat++
	number := h.beat
	var reports []hostReport
	for _, k := range h.out.NextAs(number, atOnce) {
		reports = append(reports, hostReport{k.plan, k.ordinal, k.seen})
	}
	h.w.after(sessionHop, func() { se.hear(number, reports) })
	if h.out.Pending() > 0 {
		h.kick()
	}
}

// kick sends a heartbeat early: there is something to say.
func (h *host) kick() {
	if h.kicked {
		return
	}
	h.kicked = true
	h.w.after(linger, func() {
		h.kicked = false
		if h.out.Pending() > 0 {
			h.speak()
		}
	})
}

// tick sends heartbeats as long as there is a task. A host without one is not
// simulated.
func (h *host) tick() {
	if h.ticking || len(h.works) == 0 || h.absent {
		return
	}
	h.ticking = true
	h.w.after(heartbeatEvery, func() {
		h.ticking = false
		if len(h.works) > 0 && !h.absent {
			h.speak()
			h.tick()
		}
	})
}

// hear takes a reply.
func (h *host) hear(se *seat, r reply) {
	if h.seat != se || h.replies.Observe(r.number) != link.Accepted {
		return
	}
	h.out.Have(r.have)
	for _, c := range r.commands {
		k := h.find(c.plan)
		switch {
		case k == nil && c.plan.forgotten[c.ordinal]:
			continue // its tombstone says that it is over
		case k == nil:
			k = &work{plan: c.plan, ordinal: c.ordinal, seen: task.Report{Attempt: c.attempt, State: task.Dispatched}, want: task.DesiredRun}
			h.works = append(h.works, k)
			h.tick()
		}
		k.want = max(k.want, c.want)
		h.act(k)
	}
	for _, w := range r.wishes {
		if k := h.find(w.plan); k != nil {
			k.want = max(k.want, w.want)
			h.act(k)
		}
	}
	for _, p := range r.forgets {
		if k := h.find(p); k != nil {
			k.want = task.DesiredGone
			h.act(k)
		}
	}
}

func (h *host) find(p *plan) *work {
	for _, k := range h.works {
		if k.plan == p {
			return k
		}
	}
	return nil
}

// act does the one thing that is to be done for a task.
func (h *host) act(k *work) {
	if k.busy {
		return
	}
	switch task.Next(k.seen, k.want) {
	case task.Wait:
	case task.Accept:
		h.later(k, diskTime, func() { h.advance(k, task.Executor, task.Report{Attempt: k.seen.Attempt, State: task.Accepted}) })
	case task.Spawn:
		h.later(k, startTime, func() { h.spawn(k) })
	case task.Drop:
		why := task.Exit{Reason: task.BeforeStart}
		h.advance(k, task.Executor, task.Report{Attempt: k.seen.Attempt, State: task.Canceled, Exit: why})
	case task.Stop:
		why := task.Exit{Reason: task.Killed, Signal: 15}
		h.later(k, startTime, func() {
			if !k.seen.State.Final() {
				h.advance(k, task.EndProcess, task.Report{Attempt: k.seen.Attempt, State: task.Canceled, Exit: why})
			}
		})
	case task.Forget:
		h.forget(k)
	}
}

func (h *host) later(k *work, d time.Duration, do func()) {
	k.busy = true
	h.w.after(d, func() {
		k.busy = false
		do()
		h.act(k)
	})
}

// spawn makes the record of the attempt, and starts the user's process.
func (h *host) spawn(k *work) {
	w, p := h.w, k.plan
	switch {
	case k.want >= task.DesiredWithdraw:
		return
	case w.clock().After(p.spec.StartBy):
		h.advance(k, task.EndProcess, task.Report{Attempt: k.seen.Attempt, State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}})
		return
	}
	if p.starts[k.ordinal]++; p.starts[k.ordinal] > 1 {
		w.violate("never-twice", "%s starts job %d for the %dth time", h.id, p.n, p.starts[k.ordinal])
	}
	w.Started++
	h.advance(k, task.EndProcess, task.Report{Attempt: k.seen.Attempt, State: task.Starting})
	h.advance(k, task.EndProcess, task.Report{Attempt: k.seen.Attempt, State: task.Running})
	d, end := p.ending(k.ordinal)
	end.Attempt = k.seen.Attempt
	w.after(d, func() {
		if !k.seen.State.Final() {
			h.advance(k, task.EndProcess, end)
			h.act(k)
		}
	})
}

// advance writes a state to the disk, and says it.
func (h *host) advance(k *work, by task.Actor, r task.Report) {
	direct := k.seen.State == task.Dispatched && r.State == task.Canceled && by == task.Executor
	if !direct && !task.May(by, k.seen.State, r.State) {
		h.w.violate("transitions", "%s makes %s of %s on %s", by, r.State, k.seen.State, h.id)
	}
	k.seen = r
	if r.State.Final() {
		k.plan.truth[k.ordinal] = r
	}
	h.out.Put(k)
	h.kick()
}

func (h *host) forget(k *work) {
	if !k.plan.row.tasks[k.ordinal].Report.State.Final() {
		h.w.violate("forget-after-commit", "%s forgets job %d, whose outcome is not durable", h.id, k.plan.n)
	}
	h.out.Forget(k)
	h.works = slices.DeleteFunc(h.works, func(o *work) bool { return o == k })
	k.plan.forgotten[k.ordinal] = true
}
