package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/ccs-project/ccs/pkg/client"
)

// jobOutput prints the outputs of a job, a host at a time: it never holds more
// than a page of tasks and a piece of an output.
type jobOutput struct {
	outputFlags
	contents
	app     *app
	filter  client.TaskFilter
	tasks   int // settled
	pending resultGroup
	good    bool // the last one verified
	checks  verification
}

func (o *jobOutput) print(ctx context.Context) error {
	var err error
	switch {
	case o.app.isDocument():
		err = o.document(ctx)
	case o.grouped:
		err = o.groups(ctx)
	default:
		err = o.each(ctx)
	}
	if err != nil {
		return err
	}
	return o.verdict()
}

// settled yields the tasks that have an end, and notes the others; in a document
// they are too.
func (o *jobOutput) settled(ctx context.Context) iter.Seq2[client.Task, error] {
	return func(yield func(client.Task, error) bool) {
		found := false
		for t, err := range o.ctl.Tasks(ctx, o.job, o.filter) {
			found = true
			if err == nil && !t.Settled() {
				o.pending.hosts, o.pending.state = append(o.pending.hosts, t.Host), t.State
				if !o.app.isDocument() {
					continue
				}
			} else if err == nil {
				o.tasks++
			}
			if err == nil && o.verify && t.Settled() {
				if o.good, err = o.checks.check(ctx, &o.contents, t); !o.good {
					t.Stdout, t.Stderr = client.OutputRef{}, client.OutputRef{} // nobody is to use them
				}
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
		if !found && o.filter.Host != "" {
			yield(client.Task{}, usagef("host %s is no target of job %s\n%s", o.filter.Host, o.job, seeTargets))
		}
	}
}

// each prints host after host; of one that was asked for, only what it wrote.
func (o *jobOutput) each(ctx context.Context) error {
	for t, err := range o.settled(ctx) {
		if err != nil {
			return err
		}
		switch {
		case o.raw || o.stderr && o.filter.Host != "":
			err = o.stream(ctx, o.app.stdout, o.chosen(t), o.app.stderr)
		case o.filter.Host != "":
			err = o.through(ctx, o.app, t)
		default:
			err = o.titled(ctx, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *jobOutput) chosen(t client.Task) client.OutputRef {
	if o.stderr {
		return t.Stderr
	}
	return t.Stdout
}

// titled prints what a host wrote under its name and outcome.
func (o *jobOutput) titled(ctx context.Context, t client.Task) error {
	to, blank := o.app.stdout, "\n"
	if o.tasks == 1 {
		blank = ""
	}
	g := groups([]client.Task{t})[0]
	if _, err := fmt.Fprintf(to, "%s%s: %s\n", blank, g.name(), o.app.paint(g.state, g.outcome())); err != nil {
		return err
	}
	if o.stderr {
		return o.stream(ctx, to, t.Stderr, to)
	}
	return o.both(ctx, to, t.Stdout, t.Stderr)
}

// groups prints equal results once. For this it holds all results, but no
// outputs.
func (o *jobOutput) groups(ctx context.Context) error {
	r := results{app: o.app, ctl: o.ctl, job: client.Job{ID: o.job}}
	for t, err := range o.settled(ctx) {
		if err != nil {
			return err
		}
		if o.stderr {
			t.Stdout, t.Stderr = t.Stderr, client.OutputRef{}
		}
		r.tasks = append(r.tasks, t)
	}
	return r.grouped(ctx)
}

func (o *jobOutput) document(ctx context.Context) error {
	job, err := o.ctl.Job(ctx, o.job)
	if err != nil {
		return err
	}
	list := o.app.jobTasks(job)
	for t, err := range o.settled(ctx) {
		if err != nil {
			return err
		}
		d, err := o.contents.document(ctx, o.app, t)
		if err != nil {
			return err
		}
		if o.verify && t.Settled() {
			d.Verified = &o.good
		}
		if err := list.add(d); err != nil {
			return err
		}
	}
	return list.end()
}

// verdict says what was missing, and is the exit status.
func (o *jobOutput) verdict() error {
	status := exitOK
	if o.verify {
		status = o.checks.say(o.app, o.tasks)
	}
	switch n := len(o.pending.hosts); {
	case n == 0:
	case o.filter.Host != "":
		return &exit{exitSome, fmt.Sprintf("there is no output of %s yet: it is %s; wait for it with: ccsctl job watch %s, or see why with: ccsctl explain %s %s",
			o.filter.Host, o.pending.state, o.job, o.job, o.filter.Host)}
	default:
		return &exit{exitSome, fmt.Sprintf("there is no output yet of %s; wait with: ccsctl job watch %s", o.pending.name(), o.job)}
	}
	if status != exitOK {
		return &exit{status: status}
	}
	return nil
}
