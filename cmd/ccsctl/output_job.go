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
	filter  client.TaskFilter
	tasks   int // settled
	pending resultGroup
	good    bool // the last one verified
	titles  int  // printed
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
				o.good, err = o.checks.check(ctx, &o.contents, t)
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
		switch what, ref := o.chosen(t); {
		case o.verify && !o.good && (o.raw || o.filter.Host != ""): // the verdict names it
		case o.verify && !o.good:
			err = o.title(t.Host, claimed(t))
		case o.raw && o.filter.Host == "":
			err = o.stream(ctx, o.app.stdout, what+" of "+t.Host, ref, o.app.stderr)
		case o.raw || o.stderr && o.filter.Host != "":
			err = o.stream(ctx, o.app.stdout, what, ref, o.app.stderr)
		case o.filter.Host != "":
			err = o.through(ctx, t)
		default:
			err = o.titled(ctx, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *jobOutput) chosen(t client.Task) (what string, ref client.OutputRef) {
	if o.stderr {
		return "stderr", t.Stderr
	}
	return "stdout", t.Stdout
}

// claimed is what the servers say of a task whose host does not.
func claimed(t client.Task) string { return "NOT VERIFIED (claimed " + oneLine(t.State) + ")" }

// title begins what is printed of a host.
func (o *jobOutput) title(name, outcome string) error {
	blank := "\n"
	if o.titles++; o.titles == 1 {
		blank = ""
	}
	_, err := fmt.Fprintf(o.app.stdout, "%s%s: %s\n", blank, name, outcome)
	return err
}

// titled prints what a host wrote under its name and outcome.
func (o *jobOutput) titled(ctx context.Context, t client.Task) error {
	to, g := o.app.stdout, groups([]client.Task{t})[0]
	if err := o.title(g.name(), o.app.paint(g.state, g.outcome())); err != nil {
		return err
	}
	if o.stderr {
		return o.stream(ctx, to, "stderr", t.Stderr, to)
	}
	return o.both(ctx, to, t.Stdout, t.Stderr)
}

// groups prints equal results once. For this it holds all results, but no
// outputs.
func (o *jobOutput) groups(ctx context.Context) error {
	r := results{app: o.app, ctl: o.ctl, job: client.Job{ID: o.job}, outputs: &o.contents}
	var unverified []client.Task
	for t, err := range o.settled(ctx) {
		if err != nil {
			return err
		}
		if o.verify && !o.good {
			unverified = append(unverified, client.Task{Host: t.Host, State: claimed(t)})
			continue
		}
		if o.stderr {
			t.Stdout, t.Stderr, o.only = t.Stderr, client.OutputRef{}, "stderr"
		}
		r.tasks = append(r.tasks, t)
	}
	if err := r.grouped(ctx); err != nil {
		return err
	}
	o.titles = len(r.tasks)
	for _, g := range groups(unverified) {
		if err := o.title(g.name(), g.state); err != nil {
			return err
		}
	}
	return nil
}

func (o *jobOutput) document(ctx context.Context) error {
	job, err := o.ctl.Job(ctx, o.job)
	if err != nil {
		return err
	}
	list := o.app.jobTasks(job)
	for t, err := range o.settled(ctx) {
		if err != nil {
			return list.stop(err)
		}
		d, err := o.taskOf(ctx, t)
		if err != nil {
			return list.stop(err)
		}
		if err := list.add(d); err != nil {
			return err
		}
	}
	return list.end()
}

// taskOf is a task in a document.
func (o *jobOutput) taskOf(ctx context.Context, t client.Task) (any, error) {
	if o.verify && t.Settled() && !o.good {
		return unverifiedDocument{Ordinal: t.Ordinal, Host: t.Host, Room: t.Room, ClaimedState: t.State}, nil
	}
	d, err := o.contents.document(ctx, t)
	if o.verify && t.Settled() {
		good := true
		d.Verified = &good
	}
	return d, err
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
		return &exit{exitSome, fmt.Sprintf("there is no output of %s yet: it is %s; see it while it is written with: ccsctl output -f %s %s, or see why with: ccsctl explain %s %s",
			o.filter.Host, o.pending.state, o.job, o.filter.Host, o.job, o.filter.Host)}
	default:
		return &exit{exitSome, fmt.Sprintf("there is no output yet of %s; wait with: ccsctl job watch %s", o.pending.name(), o.job)}
	}
	if status != exitOK {
		return &exit{status: status}
	}
	return o.contents.verdict()
}
