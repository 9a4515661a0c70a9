package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// results are what became of a job that is done.
type results struct {
	app   *app
	ctl   *client.Client
	job   client.Job
	tasks []client.Task
	took  time.Duration

	outputs *contents
}

func (r *results) contents() *contents {
	if r.outputs == nil {
		r.outputs = &contents{app: r.app, ctl: r.ctl, job: r.job.ID}
	}
	return r.outputs
}

// show prints the results in the form that was asked for.
func (r *results) show(ctx context.Context, passThrough bool) error {
	if r.app.isDocument() {
		return r.document(ctx)
	}
	if passThrough && len(r.tasks) == 1 {
		return r.pass(ctx, r.tasks[0])
	}
	if err := r.grouped(ctx); err != nil {
		return err
	}
	r.summary()
	return nil
}

// grouped prints each group of equal results once, and fetches its outputs once.
func (r *results) grouped(ctx context.Context) error {
	for i, g := range groups(r.tasks) {
		if i > 0 {
			r.line("")
		}
		r.line("%s: %s", g.name(), r.app.paint(g.state, g.outcome()))
		if err := r.contents().both(ctx, r.app.stdout, g.stdout, g.stderr); err != nil {
			return err
		}
	}
	return nil
}

// pass lets a single host's outputs be those of the program.
func (r *results) pass(ctx context.Context, t client.Task) error {
	if err := r.contents().through(ctx, t); err != nil {
		return err
	}
	if t.State != "SUCCEEDED" {
		g := groups(r.tasks)[0]
		r.app.say("%s: %s\n", g.name(), r.app.paintOn(r.app.screen.stderr, g.state, g.outcome()))
	}
	return nil
}

// summary is the last word to a person.
func (r *results) summary() {
	var parts []string
	for _, state := range countedStates(r.job.Counts) {
		parts = append(parts, r.app.paintOn(r.app.screen.stderr, state, fmt.Sprintf("%d %s", r.job.Counts[state], state)))
	}
	r.app.say("%s: %s in %s\n", plural(r.job.Targets, "host"), strings.Join(parts, ", "), seconds(r.duration()))
	if !r.job.Succeeded() {
		r.app.say("Look closer with: ccsctl task list %s --failed\n", r.job.ID)
	}
}

// seconds is such as 0.37 s, and from a minute on such as 2m5s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return span(d)
}

// duration is how long the job took, by the servers' clock where they say so.
func (r *results) duration() time.Duration {
	if r.job.CreatedAt.IsZero() || r.job.DoneAt.IsZero() {
		return r.took
	}
	return r.job.DoneAt.Sub(r.job.CreatedAt)
}

// verdict is the exit status of the job.
func (r *results) verdict(passThrough bool) error {
	if r.job.Succeeded() {
		return r.contents().verdict()
	}
	if passThrough && len(r.tasks) == 1 && r.tasks[0].State == "FAILED" {
		if t := r.tasks[0]; t.Signal != 0 {
			return &exit{status: 128 + t.Signal}
		} else if t.ExitCode != 0 {
			return &exit{status: t.ExitCode}
		}
	}
	if err := r.contents().verdict(); err != nil {
		return err
	}
	return &exit{status: exitSome}
}

// document prints job and tasks with their outputs, a task at a time.
func (r *results) document(ctx context.Context) error {
	list, outputs := r.app.jobTasks(r.job), r.contents()
	for _, t := range r.tasks {
		d, err := outputs.document(ctx, t)
		if err != nil {
			return errors.Join(err, list.end()) // what there is can be read
		}
		if err := list.add(d); err != nil {
			return err
		}
	}
	return list.end()
}

// jobTasks is the document of a job with its tasks.
func (a *app) jobTasks(j client.Job) *listing {
	return a.list(struct {
		Job jobDocument `json:"job"`
	}{a.jobDocument(j)}, "tasks")
}

func (r *results) line(format string, args ...any) {
	_, _ = fmt.Fprintf(r.app.stdout, format+"\n", args...) // what cannot be written the sink remembers
}
