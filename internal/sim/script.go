package sim

import (
	"fmt"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/job"
)

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
