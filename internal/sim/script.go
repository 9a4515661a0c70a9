package sim

import (
	"fmt"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// kind is what a job is besides a command.
func (p *plan) kind() string {
	switch {
	case p.spec.Ping:
		return ", a ping"
	case p.parent != nil:
		return ", a retry of " + p.parent.name
	}
	return ""
}

func describe(r *job.Rollout) string {
	var parts []string
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(!r.Concurrency.IsZero(), "concurrency %d", r.Concurrency.Count)
	for _, b := range r.Batches {
		add(b.Count > 0, "batch of %d", b.Count)
		add(b.Percent > 0, "batch of %d %%", b.Percent)
	}
	add(len(r.PauseAfter) > 0, "pause after %v", r.PauseAfter)
	add(len(r.PauseBatches) > 0, "pause after batches %v", r.PauseBatches)
	add(r.MaxFailures.Limited, "budget %d (action %d)", r.MaxFailures.Count, r.FailureAction)
	add(len(r.Tolerated) > 0, "tolerated %v", r.Tolerated)
	add(r.Order == job.SpreadRooms, "rooms in turn")
	add(r.WaitOffline > 0, "waits %s", r.WaitOffline)
	if len(parts) == 0 {
		return "all at once"
	}
	return strings.Join(parts, ", ")
}

func describeControl(ev job.Event) string {
	switch ev := ev.(type) {
	case job.Pause:
		return "pause (" + ev.RequestID + ")"
	case job.Resume:
		return fmt.Sprintf("resume, until %d, %d targets (%s)", ev.Until, ev.Targets, ev.RequestID)
	case job.Cancel:
		return fmt.Sprintf("cancel, keep running: %t (%s)", ev.KeepRunning, ev.RequestID)
	}
	return "nothing"
}

// describe is what the host's disk has of a plan.
func (h *host) describe(n int) string {
	d := h.disk
	text := d.report(h.w.plans[n]).State.String()
	if t := d.tombs[n]; t != nil {
		text += fmt.Sprintf(", a tombstone (released: %t)", t.released)
	}
	if d.commands[n] != nil {
		text += ", a directory"
	}
	if d.copies[n] != nil {
		text += ", the agent's copy"
	}
	return text
}

// leftOver says who still has what, at the end of a transcript.
func (w *world) leftOver() {
	for _, h := range w.hosts {
		for _, n := range h.remembers() {
			w.say(string(h.id), "still has %s: %s", w.plans[n].name, h.describe(n))
		}
		for _, e := range h.agent.entries {
			if e != nil {
				w.say(h.agent.name, "knows %s: %v, wish %s, asked %t, busy %t; watches %d of %d, session %t, in flight %d, to be sent %d", e.plan.name, e.seen, e.want,
					e.asked != nil, e.busy, h.agent.watches, h.exec.life, h.agent.welcomed, h.agent.out.InFlight(), h.agent.out.Pending())
			}
		}
	}
	for _, g := range w.aggs {
		for _, gu := range g.hosts {
			for _, r := range gu.records {
				w.say(g.name, "holds %s of h%d: heard %t %v, queued %t, wish %s, told %t, on its way %t, session %t", r.plan.name, gu.host,
					r.heard, r.said.seen, r.queued, r.wish, r.told, r.via != nil, gu.session != nil)
			}
		}
	}
	for _, s := range w.scheds {
		for n, m := range s.links {
			w.say(s.name, "aggregator %d: stream %t, sees %d hosts there", n, m != nil, s.seen.Count(w.aggs[n].via))
		}
	}
}
