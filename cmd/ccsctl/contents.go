package main

import (
	"bytes"
	"cmp"
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
	app   *app
	ctl   *client.Client
	job   string
	exact bool              // the bytes and nothing else, on a terminal too
	only  string            // the stream that stands for both
	lost  int               // outputs that could not be read
	kept  map[string][]byte // by digest
	size  int               // of all that is kept
}

// stream prints an output as it is, and says to note what was cut, or that it
// cannot be read: that is no reason to keep the others back. Where note is the
// same stream, or the same terminal, the output's last line is ended; what it did
// to the colours of a terminal is undone.
func (c *contents) stream(ctx context.Context, to io.Writer, what string, ref client.OutputRef, note io.Writer) error {
	w := &lastByte{to: to}
	err := c.ctl.Output(ctx, c.job, ref, &cutMarker{to: w, left: ref.Size - ref.Tail, mark: func() {
		if ref.Tail > 0 {
			c.endLine(w, to, note)
			_, _ = fmt.Fprintln(note, cutMark(ref.Cut))
		}
	}})
	if err != nil && !unreadable(err) {
		return err
	}
	if w.escapes && c.onTerminal(to) {
		_, _ = io.WriteString(to, plain) // what cannot be written the sink remembers
	}
	c.endLine(w, to, note)
	if err != nil {
		c.lost++
		_, _ = fmt.Fprintf(note, "[%s cannot be read: %s]\n", what, oneLine(err.Error()))
		return nil
	}
	if ref.Cut > 0 && ref.Tail == 0 {
		_, _ = fmt.Fprintf(note, "[%d bytes more were written, beyond the limit, and not kept]\n", ref.Cut)
	}
	return nil
}

// endLine ends the last line of an output where something else is said after it
// in the same place.
func (c *contents) endLine(w *lastByte, to, note io.Writer) {
	if w.some && w.last != '\n' && (to == note || c.onTerminal(to) && c.onTerminal(note)) {
		_, _ = io.WriteString(to, "\n") // what cannot be written the sink remembers
	}
}

// unreadable reports whether an error is of one output alone: it is not there any
// more, or not what the host says it is.
func unreadable(err error) bool {
	code := client.CodeOf(err)
	return code == client.NotFound || code == client.Corrupt || code == client.Invalid
}

// onTerminal reports whether a stream of the program is a terminal, on which more
// than the bytes is wanted.
func (c *contents) onTerminal(to io.Writer) bool {
	return !c.exact && (to == c.app.stdout && c.app.screen.stdout || to == c.app.stderr && c.app.screen.stderr)
}

// through lets the outputs of one host be those of the program.
func (c *contents) through(ctx context.Context, t client.Task) error {
	if err := c.stream(ctx, c.app.stdout, "stdout", t.Stdout, c.app.stderr); err != nil {
		return err
	}
	return c.stream(ctx, c.app.stderr, "stderr", t.Stderr, c.app.stderr)
}

// both prints what a command wrote under its title: stdout, then stderr.
func (c *contents) both(ctx context.Context, to io.Writer, stdout, stderr client.OutputRef) error {
	if err := c.stream(ctx, to, cmp.Or(c.only, "stdout"), stdout, to); err != nil {
		return err
	}
	if stderr.Size > 0 || stderr.Cut > 0 {
		_, _ = io.WriteString(to, "[stderr]\n") // what cannot be written the sink remembers
	}
	return c.stream(ctx, to, "stderr", stderr, to)
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

// document is a task with what its command wrote, once that is known.
func (c *contents) document(ctx context.Context, t client.Task) (d taskDocument, err error) {
	d = c.app.taskDocument(t)
	if !t.Settled() {
		return d, nil
	}
	if d.Stdout, d.StdoutBase64, d.StdoutError, err = c.field(ctx, t.Stdout); err != nil {
		return d, err
	}
	d.Stderr, d.StderrBase64, d.StderrError, err = c.field(ctx, t.Stderr)
	return d, err
}

// field is an output in a document, or why it is not there.
func (c *contents) field(ctx context.Context, ref client.OutputRef) (text, encoded *string, missing string, err error) {
	content, err := c.fetch(ctx, ref)
	switch {
	case err != nil && unreadable(err):
		c.lost++
		return nil, nil, err.Error(), nil
	case err != nil:
		return nil, nil, "", err
	}
	text, encoded = textOrBase64(content)
	return text, encoded, "", nil
}

// verdict is the exit status where outputs could not be read; nil if none was lost.
func (c *contents) verdict() error {
	if c.lost == 0 {
		return nil
	}
	return &exit{exitSome, fmt.Sprintf("%s of job %s could not be read", plural(c.lost, "output"), c.job)}
}

// lastByte remembers how what was written ends.
type lastByte struct {
	to      io.Writer
	last    byte
	some    bool
	escapes bool // there are codes for a terminal in it
}

// Write passes on.
func (l *lastByte) Write(b []byte) (int, error) {
	if len(b) > 0 {
		l.last, l.some = b[len(b)-1], true
		l.escapes = l.escapes || bytes.IndexByte(b, '\x1b') >= 0
	}
	return l.to.Write(b)
}

// cutMarker passes an output on, and marks the place where bytes are missing.
type cutMarker struct {
	to   io.Writer
	left uint64 // until there
	mark func()
}

// Write passes on.
func (m *cutMarker) Write(b []byte) (n int, err error) {
	if m.mark != nil && uint64(len(b)) > m.left {
		if n, err = m.to.Write(b[:m.left]); err != nil {
			return n, err
		}
		m.mark()
		b, m.mark = b[n:], nil
	}
	m.left -= min(m.left, uint64(len(b)))
	more, err := m.to.Write(b)
	return n + more, err
}
