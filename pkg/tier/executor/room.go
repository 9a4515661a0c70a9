package executor

import (
	"fmt"

	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Room that a command takes on the disk besides its output, script and input.
const (
	// recordBytes is its directory, its specification and its records: a dozen
	// files of a block each.
	recordBytes = 64 << 10
	// freeFiles is how many files must be free on the disk for a command to be
	// accepted.
	freeFiles = 64
)

// room is what the commands on the disk may take. It is counted, not looked up:
// so no directory is ever read to know it. The loop owns it.
type room struct {
	limit uint64 // Config.SpoolBytes
	taken uint64
}

// fits reports whether so much more may be taken.
func (r *room) fits(more uint64) bool { return r.taken+more <= r.limit }

// roomOf is what an attempt of the command may take on the disk at most.
func roomOf(s spool.Spec) uint64 {
	return recordBytes + s.Run.Script.Size + s.Run.Stdin.Size + outputRoom(s.Run)
}

// outputRoom is what the outputs of one attempt may take.
func outputRoom(r spool.Run) uint64 { return spool.OnDisk(r.Keep) * uint64(len(spool.Streams)) }

// takeRoom makes a command hold its room, also beyond the limit: what is on the disk
// already takes it.
func (e *Executor) takeRoom(c *command, s spool.Spec) {
	rest := roomOf(s) - outputRoom(s.Run)
	c.room += rest
	e.room.taken += rest
	e.takeOutputs(c, s.Run)
}

// takeOutputs makes it hold what the outputs of its present attempt may take.
func (e *Executor) takeOutputs(c *command, r spool.Run) {
	c.outputs = outputRoom(r)
	c.room += c.outputs
	e.room.taken += c.outputs
}

// takeEarlier makes it hold what the outputs of its attempts before the present
// one take.
func (e *Executor) takeEarlier(c *command, dir *spool.Command, limit uint64) {
	for n := uint32(1); n < c.attempt; n++ {
		for i := range spool.Streams {
			taken := onDisk(dir.Drained(n, i, limit))
			c.room += taken
			e.room.taken += taken
		}
	}
}

// keepOnly gives back what the outputs of an attempt that has ended did not
// take.
func (e *Executor) keepOnly(c *command, o spool.Outcome) {
	if taken := onDisk(o.Output(0)) + onDisk(o.Output(1)); taken < c.outputs {
		e.giveBack(c, c.outputs-taken)
	}
	c.outputs = 0
}

// onDisk is what an output takes. One that was cut is as long as its limit, and
// takes somewhat more.
func onDisk(d spool.Drained) uint64 {
	if d.Tail > 0 {
		return spool.OnDisk(d.Kept)
	}
	return d.Kept
}

func (e *Executor) giveBack(c *command, bytes uint64) {
	e.room.taken -= bytes
	c.room -= bytes
}

// noRoomFor says that a command would not fit.
func (e *Executor) noRoomFor(id string, more uint64) error {
	return fmt.Errorf("%w: command %q may take %d bytes of disk, its output included, and %d of the %d that spool_bytes allows are taken; nothing was done, ask again later: room comes back when commands end and are released",
		wire.ErrTooMuch, id, more, e.room.taken, e.room.limit)
}

// diskFor refuses a command while the disk is nearly full, so that what runs can
// still record its end. It looks at the disk: never in the loop.
func (e *Executor) diskFor(id string) error {
	if e.cfg.MinFreeBytes == 0 {
		return nil
	}
	bytes, files, err := e.root.Free()
	switch {
	case err != nil:
		return writeFault("look at the disk for the acceptance", id, err)
	case bytes < uint64(e.cfg.MinFreeBytes):
		return fmt.Errorf("%w: the disk of %s has %d bytes free, less than the %d of min_free_bytes; command %q was not accepted: make room, and ask again later",
			wire.ErrTooMuch, e.cfg.StateDir, bytes, e.cfg.MinFreeBytes, id)
	case files < freeFiles:
		return fmt.Errorf("%w: the disk of %s has room for %d more files, less than %d; command %q was not accepted: make room, and ask again later",
			wire.ErrTooMuch, e.cfg.StateDir, files, freeFiles, id)
	}
	return nil
}
