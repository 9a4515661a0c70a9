package executortest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

func declined(r rig) {
	for id, report := range map[string]task.Report{
		"refused": {Attempt: 1, State: task.Refused, Exit: task.Exit{Reason: task.BadSignature}},
		"expired": {Attempt: 1, State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}},
	} {
		c := r.recorded(r.Decline(r.t.Context(), named(id), report))
		if c.Report != report || string(c.Context) != "context of "+id {
			r.t.Errorf("declined as %+v", c)
		}
		if c := r.start(order(id, "true")); c.Report != report {
			r.t.Errorf("started after it was declined: %+v", c.Report)
		}
		r.ends(id, report.State, report.Exit)
	}
}

func stoppedBefore(r rig) {
	want := task.Report{Attempt: 1, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}
	if c := r.recorded(r.Signal(r.t.Context(), named("early"))); c.Report != want {
		r.t.Errorf("stopped as %+v", c.Report)
	}
	if c := r.start(order("early", "true")); c.Report != want {
		r.t.Errorf("started after it was stopped: %+v", c.Report)
	}
}

func stoppedRunning(r rig) {
	r.start(order("long", "sleep", "60"))
	r.becomes("long", task.Running)
	r.recorded(r.Signal(r.t.Context(), named("long")))
	r.ends("long", task.Canceled, task.Exit{Reason: task.Killed, Signal: sigterm})
}

func stoppedTooLate(r rig) {
	r.start(order("done", "true"))
	r.becomes("done", task.Succeeded)
	if c := r.recorded(r.Signal(r.t.Context(), named("done"))); c.Report.State != task.Succeeded {
		r.t.Errorf("it became %s", c.Report.State)
	}
}

func withdrawnBefore(r rig) {
	want := task.Report{Attempt: 1, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}
	if c := r.recorded(r.Decline(r.t.Context(), named("withdrawn"), want)); c.Report != want {
		r.t.Errorf("withdrawn as %+v", c.Report)
	}
	if c := r.start(order("withdrawn", "true")); c.Report != want {
		r.t.Errorf("started after it was withdrawn: %+v", c.Report)
	}
}

func withdrawnTooLate(r rig) {
	r.start(order("goes-on", "sh", "-c", "sleep 1; exit 3"))
	r.becomes("goes-on", task.Running)
	withdrawn := task.Report{Attempt: 1, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}
	if c := r.recorded(r.Decline(r.t.Context(), named("goes-on"), withdrawn)); c.Report.State != task.Running {
		r.t.Errorf("it became %s", c.Report.State)
	}
	r.ends("goes-on", task.Failed, task.Exit{Code: 3})
}

func releases(r rig) {
	release := func(id string, want bool) {
		r.t.Helper()
		if got, err := r.Release(r.t.Context(), id, time.Now()); err != nil || got != want {
			r.t.Errorf("releasing %s: %v, %v", id, got, err)
		}
	}
	release("unknown", false)
	o := order("kept", "sleep", "60")
	r.start(o)
	r.becomes("kept", task.Running)
	release("kept", false)
	r.recorded(r.Signal(r.t.Context(), named("kept")))
	r.becomes("kept", task.Canceled)
	release("kept", true)
	release("kept", true)
	if a, err := r.Start(r.t.Context(), o); err != nil || a.Acceptance != agent.Released {
		r.t.Errorf("started after its release: acceptance %d, %v", a.Acceptance, err)
	}
}

func pastW(r rig) {
	o := order("old", "true")
	o.Spec.RememberUntil = time.Now().Add(500 * time.Millisecond)
	r.start(o)
	r.becomes("old", task.Succeeded)
	if ok, err := r.Release(r.t.Context(), "old", time.Time{}); err != nil || !ok {
		r.t.Fatalf("released: %v, %v", ok, err)
	}
	r.until("the tombstone is purged when both clocks are past E", func() bool {
		info, err := r.Info(r.t.Context(), time.Now().Add(time.Hour))
		return err == nil && !info.PurgedUntil.Before(o.Spec.RememberUntil)
	})
	a, err := r.Start(r.t.Context(), o)
	if err != nil || a.Acceptance != agent.PastW {
		r.t.Errorf("started again: acceptance %d, %v", a.Acceptance, err)
	}
	n := named("older")
	n.RememberUntil = o.Spec.RememberUntil.Add(-time.Minute)
	if a, err := r.Signal(r.t.Context(), n); err != nil || a.Acceptance != agent.PastW {
		r.t.Errorf("stopped: acceptance %d, %v", a.Acceptance, err)
	}
	r.start(order("young", "true"))
	r.becomes("young", task.Succeeded)
}

func watches(r rig) {
	var want []string
	for _, id := range []string{"a", "b", "c"} {
		r.start(order(id, "true"))
		r.becomes(id, task.Succeeded)
		want = append(want, id)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var seen []string
	complete, started := false, false
	err := r.Watch(ctx, func(n agent.News) error {
		for _, c := range n.Commands {
			if seen = append(seen, c.ID); c.ID == "d" && c.Report.State == task.Succeeded {
				return errSeen
			}
		}
		complete = complete || n.Complete
		if complete && !started {
			started = true
			slices.Sort(seen)
			if !slices.Equal(seen, want) {
				r.t.Errorf("the snapshot has %v, want %v", seen, want)
			}
			_, err := r.Start(ctx, order("d", "true"))
			return err
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		r.t.Errorf("the watch ended with %v", err)
	}
}

func noOutput(r rig) {
	err := r.FetchOutput(r.t.Context(), "unknown", 1, job.Stdout, func([]byte) error { return nil })
	if !errors.Is(err, wire.ErrNotFound) {
		r.t.Errorf("output of what is not known: %v", err)
	}
}
