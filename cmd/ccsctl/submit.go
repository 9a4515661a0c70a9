package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/client"
)

// submission is how a verb wants its job to be handled.
type submission struct {
	detach        bool   // do not wait
	detachOnPause bool   // do not wait while the job is paused
	passThrough   bool   // a single host's output and status are the program's own
	confirm       bool   // ask where there are many hosts
	yes           bool   // do not, after all
	retried       string // command of the job that is retried; empty if none is
}

// submit makes a job, hands it over and follows it to its end.
func (a *app) submit(ctx context.Context, ctl *client.Client, r client.Request, s submission) error {
	targets, err := ctl.Resolve(ctx, r)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if err := a.leftOut(ctx, ctl, r, targets); err != nil {
		return err
	}
	if err := a.propose(ctx, r, targets, s); err != nil {
		return err
	}
	signed, err := ctl.Sign(r, targets)
	if err != nil {
		return err
	}
	job, err := ctl.Submit(ctx, signed)
	if err != nil {
		if status := statusOf(err); status != exitUnknown {
			return err
		}
		return &exit{exitUnknown, fmt.Sprintf("it is not known whether job %s was accepted: %v\nLook with: ccsctl job get %s", signed.ID, err, signed.ID)}
	}
	a.say("Job %s on %s in %s\n", job.ID, plural(targets.Len(), "host"), plural(len(targets.Rooms()), "room"))
	if s.detach {
		if err := a.detached(job); err != nil {
			return a.leave(ctx, job.ID, job, err)
		}
		return nil
	}
	return a.follow(ctx, ctl, job.ID, following{passThrough: s.passThrough && targets.Len() == 1, detachOnPause: s.detachOnPause})
}

// propose says what is going to be done, where that is not plain, and asks where
// many hosts are meant.
func (a *app) propose(ctx context.Context, r client.Request, t *client.Targets, s submission) error {
	plan := planText(r, t.Len())
	if s.confirm && a.mustConfirm(t, s.yes) {
		return a.confirm(ctx, r, t, plan, s.retried)
	}
	if s.retried != "" {
		a.say("Retry of %s: %s\n", r.RetryOf, short(s.retried, 200))
	}
	if plan != "" {
		a.say("Plan: %s\n", plan)
	}
	return nil
}

// leftOut names the hosts that were given by name and do not match what else was
// given: the job does not run there.
func (a *app) leftOut(ctx context.Context, ctl *client.Client, r client.Request, targets *client.Targets) error {
	if len(r.Hosts) == 0 || r.Selector == "" {
		return nil
	}
	named, err := ctl.Resolve(ctx, client.Request{Hosts: r.Hosts}) // some may be named by address
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	in := map[string]bool{}
	for _, h := range targets.Hosts() {
		in[h] = true
	}
	out := resultGroup{hosts: slices.DeleteFunc(named.Hosts(), func(h string) bool { return in[h] })}
	if len(out.hosts) > 0 {
		a.say("Left out: %s, not among %s\n", out.name(), oneLine(r.Selector))
	}
	return nil
}

// detached is the end of a run that was told not to wait: the job id, for
// scripts.
func (a *app) detached(job client.Job) error {
	if a.isDocument() {
		return a.encode(resultsDocument{Job: a.jobDocument(job), Tasks: []taskDocument{}})
	}
	_, err := fmt.Fprintln(a.stdout, job.ID)
	return err
}
