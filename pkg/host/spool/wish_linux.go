package spool

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// StopBecause makes the wish to stop durable, with words of whoever wishes it,
// at most 1 KiB. The first words stay. Safe beside other processes, as Decide is.
// On a full disk it is a wish without words: what is to be stopped may be what
// fills it.
func (c *Command) StopBecause(words string) error {
	err := c.dir.create(stopFile, newRecord("stop").opt("because", clip(words)).encode(), true)
	if full(err) {
		err = c.dir.mark(stopFile)
	}
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Because returns the words of the wish to stop; "" if it has none, or cannot be
// read: then it is a wish all the same.
func (c *Command) Because() string {
	data, err := c.dir.read(stopFile, maxRecord)
	if err != nil {
		return ""
	}
	r, err := decode("stop", data)
	if err != nil {
		return ""
	}
	words := r.opt("because")
	if r.done() != nil {
		return ""
	}
	return words
}

// Explain puts the words of the wish before those of an outcome that came of it.
// Call it once.
func (c *Command) Explain(o Outcome) Outcome {
	words := ""
	if stoppedBy(o) {
		words = c.Because()
	}
	switch {
	case words == "":
	case o.Message == "":
		o.Message = words
	default:
		o.Message = words + "; " + o.Message
	}
	return o
}

// stoppedBy reports whether the outcome came of a wish to stop.
func stoppedBy(o Outcome) bool {
	return o.State == task.Canceled && (o.Exit.Reason == task.Killed || o.Exit.Reason == task.BeforeStart)
}
