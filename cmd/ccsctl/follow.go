package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// redraw is how often a live line is drawn, at most.
const redraw = 100 * time.Millisecond

// following is how a job is followed.
type following struct {
	passThrough   bool // a single host's output and status are the program's own
	detachOnPause bool // end where the job pauses
}

// follow shows the progress of a job until it ends, and then its results.
func (a *app) follow(ctx context.Context, ctl *client.Client, id string, how following) error {
	width := a.screen.width
	if !a.moves() {
		width = nil
	}
	f := follower{app: a, progress: newProgress(a.stderr, width, time.Now()), tasks: map[int]client.Task{}, detachOnPause: how.detachOnPause}
	if err := f.watch(ctx, ctl, id); err != nil {
		if isExit(err) && f.job.State == statePaused {
			return errors.Join(err, a.detached(f.job))
		}
		return a.leaveEarly(ctx, id, f.job, err)
	}
	tasks, err := f.results(ctx, ctl, id)
	if err != nil {
		return a.leaveEarly(ctx, id, f.job, err)
	}
	r := results{app: a, ctl: ctl, job: f.job, tasks: tasks, took: f.progress.elapsed(time.Now())}
	if err := r.show(ctx, how.passThrough); err != nil || a.unwritten() != "" {
		return a.leave(ctx, id, f.job, err)
	}
	return r.verdict(how.passThrough)
}

// leave says how to come back to a job.
func (a *app) leave(ctx context.Context, id string, job client.Job, err error) error {
	lost := !isExit(err) && statusOf(err) == exitUnknown
	back := fmt.Sprintf("Come back to it, or stop it, with\n  ccsctl job watch %s\n  ccsctl job cancel %s", id, id)
	switch {
	case a.unwritten() != "" && job.Done():
		return &exit{exitSome, fmt.Sprintf("%s: the results of job %s, which is done, were not shown to their end\nSee all of them with: ccsctl job watch %s", a.unwritten(), id, id)}
	case a.unwritten() != "":
		return &exit{exitSome, fmt.Sprintf("%s: job %s goes on. %s", a.unwritten(), id, back)}
	case job.Done() && (ctx.Err() != nil || lost):
		return &exit{exitUnknown, fmt.Sprintf("the results of job %s, which is done, were not shown to their end: %v\nSee all of them with: ccsctl job watch %s", id, err, id)}
	case ctx.Err() != nil && job.State == statePaused:
		return &exit{exitUnknown, fmt.Sprintf("detached: job %s is paused %s, and stays so until somebody resumes it\n%s", id, whyPaused(job), whatNow(job))}
	case ctx.Err() != nil:
		return &exit{exitUnknown, fmt.Sprintf("detached: job %s goes on. %s", id, back)}
	case lost:
		does := "goes on"
		if job.State == statePaused {
			does = "was paused " + whyPaused(job)
		}
		return &exit{exitUnknown, fmt.Sprintf("lost sight of job %s, which %s: %v\n%s", id, does, err, back)}
	}
	return err
}

// leaveEarly leaves a job before it had results. Whoever reads documents gets one
// with its id; the exit status says that it is not all.
func (a *app) leaveEarly(ctx context.Context, id string, job client.Job, err error) error {
	err = a.leave(ctx, id, job, err)
	if e, is := errors.AsType[*exit](err); !is || e.status != exitUnknown || !a.isDocument() {
		return err
	}
	if job.ID == "" { // nothing was heard of it
		return errors.Join(err, a.encode(map[string]any{"job": map[string]string{"id": id}, "tasks": []taskDocument{}}))
	}
	return errors.Join(err, a.encode(resultsDocument{Job: a.jobDocument(job), Tasks: []taskDocument{}}))
}

// follower collects what a watch says.
type follower struct {
	app      *app
	progress *progress
	job      client.Job
	tasks    map[int]client.Task // by ordinal

	detachOnPause bool
	paused        uint64 // control revision of the pause that was said; 0: it is not paused
}

type heard struct {
	update client.Update
	err    error
}

// watch follows the job to its end.
func (f *follower) watch(ctx context.Context, ctl *client.Client, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	updates := make(chan heard)
	go func() { // ends with ctx, or with the job; the loop below waits for it
		defer close(updates)
		for u, err := range ctl.Watch(ctx, id, 0) {
			updates <- heard{u, err}
		}
	}()
	err := f.listen(updates)
	cancel()
	for range updates { // until the goroutine has ended
	}
	f.progress.end()
	return err
}

func (f *follower) listen(updates <-chan heard) error {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case h, more := <-updates:
			if !more {
				return nil
			}
			if h.err != nil {
				return h.err
			}
			f.job = h.update.Job
			for _, t := range h.update.Tasks {
				f.tasks[t.Ordinal] = t
			}
			if f.job.State == stateQuarantined {
				return &exit{exitSome, quarantined(f.job)}
			}
			if err := f.notice(); err != nil {
				return err
			}
		case now := <-tick.C:
			f.progress.draw(f.job, now)
		}
	}
}

// results are all tasks by ordinal: those that the watch brought, if it brought
// all of them.
func (f *follower) results(ctx context.Context, ctl *client.Client, id string) ([]client.Task, error) {
	if f.job.ID == "" {
		return nil, &client.Error{Code: client.Canceled, Message: "the watch ended before anything was heard"}
	}
	var all []client.Task
	for _, t := range f.tasks {
		if t.Settled() {
			all = append(all, t)
		}
	}
	if len(all) != f.job.Targets {
		all = all[:0]
		var faults error
		for t, err := range ctl.Tasks(ctx, id, client.TaskFilter{}) {
			if faults = errors.Join(faults, err); err == nil {
				all = append(all, t)
			}
		}
		if faults != nil {
			return nil, faults
		}
	}
	slices.SortFunc(all, func(a, b client.Task) int { return a.Ordinal - b.Ordinal })
	return all, nil
}
