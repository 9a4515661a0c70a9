package executor

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// load reads the state directory into the loop's maps, before there is a loop.
func (e *Executor) load(now time.Time) error {
	var err error
	if e.watermark, err = e.root.Watermark(); err != nil {
		return err
	}
	tombs, damaged, err := e.root.Tombs()
	if err != nil {
		return err
	}
	for _, id := range damaged {
		e.log.Error("a tombstone cannot be read; it stands until a person removes it", slog.String("command_id", id))
	}
	for _, t := range tombs {
		if t.Released {
			e.tombs.add(t.ID, t.RememberUntil)
		} else {
			e.commands[t.ID] = fromTomb(t)
			e.commands[t.ID].born = true
		}
	}
	found, aside, err := e.root.Scan(now)
	if err != nil {
		return err
	}
	for _, name := range aside {
		e.log.Error("something in the state directory cannot be understood; it was moved to damaged/", slog.String("what", name))
	}
	planted.Do("no re-adoption", func() { found = nil })
	for _, f := range found {
		if !e.buried(f.ID) {
			e.commands[f.ID] = e.fromFound(f)
			continue
		}
		if err := e.root.Remove(f.ID); err != nil {
			e.log.Error("cannot delete a command that has a tombstone; it is not run", slog.String("command_id", f.ID), slog.Any("error", err))
		}
	}
	return nil
}

// buried reports whether there is a tombstone: it is the later word than any
// directory, which is left of a release or of an acceptance that failed.
func (e *Executor) buried(id string) bool {
	c := e.commands[id]
	return e.tombs.has(id) || c != nil && c.buried
}

func fromTomb(t spool.Tomb) *command {
	c := newCommand(spool.Spec{ID: t.ID}, t.Attempt)
	c.bury(t)
	return c
}

// bury makes it what its tombstone says.
func (c *command) bury(t spool.Tomb) {
	c.buried, c.attempt, c.rememberUntil, c.context = true, t.Attempt, t.RememberUntil, t.Context
	c.settle(t.Outcome, [2][32]byte{})
}

func (e *Executor) fromFound(f spool.Found) *command {
	if f.Damaged {
		e.log.Error("a specification is damaged; it was renamed to spec.damaged", slog.String("command_id", f.ID))
	}
	if f.Unread != nil {
		e.log.Error("cannot read a command; it is tried again", slog.String("command_id", f.ID), slog.Any("error", f.Unread))
	}
	c := newCommand(f.Spec, f.Latest)
	c.unread = f.Unread != nil
	if f.Spec.Run.Keep == 0 { // it cannot be read, and may have written as much as most
		f.Spec.Run.Keep = spool.DefaultKept
	}
	e.takeRoom(c, f.Spec)
	c.born, c.found = true, true
	if f.Latest == 1 {
		return c
	}
	if dir, err := e.root.Command(f.ID); err == nil {
		e.takeEarlier(c, dir, f.Spec.Run.Keep)
		if a, err := dir.Accepted(f.Latest); err == nil {
			c.startBy = a.StartBy
			if len(a.Context) > 0 {
				c.context = a.Context
			}
		}
		dir.Close()
	}
	return c
}

// adoptAll looks at everything that was found, in the order in which it was
// accepted: what runs is watched, what waits is started.
func (e *Executor) adoptAll(ctx context.Context) {
	all := make([]*command, 0, len(e.commands))
	for _, c := range e.commands {
		if !c.report.State.Final() {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *command) int { return a.accepted.Compare(b.accepted) })
	for _, c := range all {
		e.meters.count(c)
		e.look(c)
	}
	if len(all) > 0 {
		e.log.InfoContext(ctx, "commands were found in the state directory", slog.Int("commands", len(all)))
	}
}

// full reports whether nothing more can be remembered. Every command will need
// a tombstone, so both count.
func (e *Executor) full() bool { return len(e.commands)+e.tombs.len() >= e.cfg.MaxRecords }
