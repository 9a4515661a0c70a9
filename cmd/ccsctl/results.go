package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
}

// show prints the results in the form that was asked for.
func (r *results) show(ctx context.Context, passThrough bool) error {
	if r.app.output != formatPlain {
		return r.document(ctx)
	}
	if passThrough && len(r.tasks) == 1 {
		return r.pass(ctx, r.tasks[0])
	}
	for i, g := range groups(r.tasks) {
		if i > 0 {
			r.line("")
		}
		if err := r.group(ctx, g); err != nil {
			return err
		}
	}
	r.summary()
	return nil
}

// group prints the title and the outputs of a group, fetched once.
func (r *results) group(ctx context.Context, g *resultGroup) error {
	r.line("%s", g.title())
	if err := r.stream(ctx, r.app.stdout, g.stdout, r.app.stdout); err != nil {
		return err
	}
	if g.stderr.Size > 0 || g.stderr.Cut > 0 {
		r.line("[stderr]")
	}
	return r.stream(ctx, r.app.stdout, g.stderr, r.app.stdout)
}

// pass lets a single host's outputs be those of the program.
func (r *results) pass(ctx context.Context, t client.Task) error {
	if err := r.stream(ctx, r.app.stdout, t.Stdout, r.app.stderr); err != nil {
		return err
	}
	if err := r.stream(ctx, r.app.stderr, t.Stderr, r.app.stderr); err != nil {
		return err
	}
	if t.State != "SUCCEEDED" {
		r.app.say("%s\n", groups(r.tasks)[0].title())
	}
	return nil
}

// stream prints an output as it is, and says to note what was cut. Where that is
// the same stream, the output's last line is ended.
func (r *results) stream(ctx context.Context, to io.Writer, ref client.OutputRef, note io.Writer) error {
	w := &lastByte{to: to}
	if err := r.ctl.Output(ctx, r.job.ID, ref, w); err != nil {
		return err
	}
	if w.some && w.last != '\n' && to == note {
		_, _ = io.WriteString(to, "\n") // stdout that is gone ends us by a signal
	}
	if ref.Cut > 0 {
		_, _ = fmt.Fprintf(note, "[%d bytes more were written, beyond the limit, and not kept]\n", ref.Cut)
	}
	return nil
}

// summary is the last word to a person.
func (r *results) summary() {
	r.app.say("%s: %s in %.2f s\n", plural(r.job.Targets, "host"), strings.Join(outcomeCounts(r.job.Counts), ", "), r.duration().Seconds())
	if !r.job.Succeeded() {
		r.app.say("Look closer with: ccsctl task list %s\n", r.job.ID)
	}
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
		return nil
	}
	if passThrough && len(r.tasks) == 1 && r.tasks[0].State == "FAILED" {
		if t := r.tasks[0]; t.Signal != 0 {
			return &exit{status: 128 + t.Signal}
		} else if t.ExitCode != 0 {
			return &exit{status: t.ExitCode}
		}
	}
	return &exit{status: exitSome}
}

// document prints job and tasks with their outputs; equal outputs are fetched
// once.
func (r *results) document(ctx context.Context) error {
	doc := resultsDocument{Job: jobDocumentOf(r.job), Tasks: make([]taskDocument, 0, len(r.tasks))}
	contents := map[string][]byte{}
	fetch := func(ref client.OutputRef) ([]byte, error) {
		if content, have := contents[ref.Digest]; have {
			return content, nil
		}
		var b bytes.Buffer
		err := r.ctl.Output(ctx, r.job.ID, ref, &b)
		contents[ref.Digest] = b.Bytes()
		return b.Bytes(), err
	}
	for _, t := range r.tasks {
		d := taskDocumentOf(t)
		stdout, err := fetch(t.Stdout)
		if err != nil {
			return err
		}
		stderr, err := fetch(t.Stderr)
		if err != nil {
			return err
		}
		d.Stdout, d.StdoutBase64 = textOrBase64(stdout)
		d.Stderr, d.StderrBase64 = textOrBase64(stderr)
		doc.Tasks = append(doc.Tasks, d)
	}
	return r.app.encode(doc)
}

func (r *results) line(format string, args ...any) {
	_, _ = fmt.Fprintf(r.app.stdout, format+"\n", args...) // stdout that is gone ends us by a signal
}

// lastByte remembers how what was written ends.
type lastByte struct {
	to   io.Writer
	last byte
	some bool
}

// Write passes on.
func (l *lastByte) Write(b []byte) (int, error) {
	if len(b) > 0 {
		l.last, l.some = b[len(b)-1], true
	}
	return l.to.Write(b)
}
