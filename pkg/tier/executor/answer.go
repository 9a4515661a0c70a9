package executor

import (
	"context"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/wire"
)

// acceptance is what became of a request about one command.
type acceptance uint8

const (
	recorded acceptance = iota + 1
	pastW
	released
	busy
)

// answer is the reply to Start, Decline and Stop.
type answer struct {
	acceptance acceptance
	command    wire.HostCommand // set only if recorded
}

type replier = func(answer, error)

// known finds the command for a request. Nil: it was answered, or waits in line
// behind a write and will be asked again, or is unknown and may be made: then
// free is true.
func (e *Executor) known(id string, until time.Time, again func(ctx context.Context), reply replier) (c *command, free bool) {
	if c := e.commands[id]; c != nil {
		if c.busy {
			c.line = append(c.line, again)
			return nil, false
		}
		return c, false
	}
	switch {
	case e.tombs.has(id):
		reply(answer{acceptance: released}, nil)
	case !e.watermark.IsZero() && !until.After(e.watermark):
		reply(answer{acceptance: pastW}, nil)
	case until.After(time.Now().Add(greatestE)):
		reply(answer{}, fmt.Errorf("%w: remember_until of command %q is %s, more than %d days ahead of this host's clock, which says %s; ask for less, or set the clock",
			wire.ErrInvalid, id, until.UTC().Format(time.RFC3339), greatestE/day, time.Now().UTC().Format(time.RFC3339)))
	case e.full():
		reply(answer{acceptance: busy}, nil)
	default:
		return nil, true
	}
	return nil, false
}

// tell answers with what is known.
func tell(c *command, reply replier) {
	reply(answer{acceptance: recorded, command: c.view()}, nil)
}

// tellAfterLook answers when what is on disk has been seen.
func (e *Executor) tellAfterLook(c *command, reply replier) {
	c.waiters = append(c.waiters, func() { tell(c, reply) })
	e.look(c)
}

// cannotFollow says that an attempt is not the next one after a loss that this
// host itself saw.
func cannotFollow(id string, attempt uint32, c *command) error {
	if c == nil {
		return fmt.Errorf("%w: attempt %d of command %q: this host knows of no attempt before it", wire.ErrInvalid, attempt, id)
	}
	return fmt.Errorf("%w: attempt %d of command %q cannot follow attempt %d, which is %s", wire.ErrInvalid, attempt, id, c.attempt, c.report.State)
}
