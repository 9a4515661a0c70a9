package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/ccs-project/ccs/pkg/client"
)

// maxKept bounds the outputs that a document keeps because the next host may
// have said the same, in bytes.
const maxKept = 8 << 20

// contents are the outputs of a job.
type contents struct {
	ctl  *client.Client
	job  string
	kept map[string][]byte // by digest
	size int               // of all that is kept
}

// stream prints an output as it is, and says to note what was cut. Where that is
// the same stream, the output's last line is ended.
func (c *contents) stream(ctx context.Context, to io.Writer, ref client.OutputRef, note io.Writer) error {
	w := &lastByte{to: to}
	if err := c.ctl.Output(ctx, c.job, ref, w); err != nil {
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

// through lets the outputs of one host be those of the program.
func (c *contents) through(ctx context.Context, a *app, t client.Task) error {
	if err := c.stream(ctx, a.stdout, t.Stdout, a.stderr); err != nil {
		return err
	}
	return c.stream(ctx, a.stderr, t.Stderr, a.stderr)
}

// both prints what a command wrote under its title: stdout, then stderr.
func (c *contents) both(ctx context.Context, to io.Writer, stdout, stderr client.OutputRef) error {
	if err := c.stream(ctx, to, stdout, to); err != nil {
		return err
	}
	if stderr.Size > 0 || stderr.Cut > 0 {
		_, _ = io.WriteString(to, "[stderr]\n") // stdout that is gone ends us by a signal
	}
	return c.stream(ctx, to, stderr, to)
}

// fetch returns an output whole; equal ones are fetched once while there is
// room.
func (c *contents) fetch(ctx context.Context, ref client.OutputRef) ([]byte, error) {
	if content, have := c.kept[ref.Digest]; have {
		return content, nil
	}
	var b bytes.Buffer
	if err := c.ctl.Output(ctx, c.job, ref, &b); err != nil {
		return nil, err
	}
	if c.size += b.Len(); c.kept == nil || c.size > maxKept {
		c.kept, c.size = map[string][]byte{}, b.Len()
	}
	c.kept[ref.Digest] = b.Bytes()
	return b.Bytes(), nil
}

// document is a task with what its command wrote.
func (c *contents) document(ctx context.Context, a *app, t client.Task) (taskDocument, error) {
	d := a.taskDocument(t)
	stdout, err := c.fetch(ctx, t.Stdout)
	if err != nil {
		return d, err
	}
	stderr, err := c.fetch(ctx, t.Stderr)
	if err != nil {
		return d, err
	}
	d.Stdout, d.StdoutBase64 = textOrBase64(stdout)
	d.Stderr, d.StderrBase64 = textOrBase64(stderr)
	return d, nil
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
