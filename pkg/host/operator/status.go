package operator

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// Status is the host as a person wants to see it at first.
type Status struct {
	Executor, Agent Process
	Link            *spool.Link // what the agent says of its session; nil: nothing
	Boot            string
	Incarnation     string    // hex; empty: there is none, or it cannot be read
	Watermark       time.Time // W; zero: nothing was purged yet
	Entries         []Entry
	Bytes           uint64 // of all files in the executor's state directory
	Freeze          Word
	Foreign         []Foreign
	Faults          []error // what could not be read
}

// Word is the operator's word that the host starts nothing new.
type Word struct {
	Frozen bool
	Freeze spool.Freeze
	Err    error // it is frozen, and the word cannot be read
}

// Word reads it.
func (h Host) Word(now time.Time) Word {
	f, err := spool.Frozen(h.OperatorDir)
	switch {
	case errors.Is(err, spool.ErrMissing), err == nil && f.Over(now):
		return Word{}
	case err != nil:
		return Word{Frozen: true, Err: err}
	}
	return Word{Frozen: true, Freeze: f}
}

// Counts is how many commands there are in each state; released ones are none.
func (s Status) Counts() map[task.State]int {
	counts := map[task.State]int{}
	for _, e := range s.Entries {
		if !e.Released {
			counts[e.State]++
		}
	}
	return counts
}

// Barred is how many foreign end-processes hold everything up.
func (s Status) Barred() int {
	n := 0
	for _, f := range s.Foreign {
		if !f.Released {
			n++
		}
	}
	return n
}

// Status looks at everything that can be looked at.
func (h Host) Status(now time.Time) Status {
	var s Status
	fault := func(err error) { s.Faults = append(s.Faults, err) }
	var err error
	if s.Executor, err = h.Executor(now); err != nil {
		fault(err)
	}
	if s.Agent, err = h.Agent(now); err != nil {
		fault(err)
	}
	link, err := h.Link()
	switch {
	case err == nil:
		s.Link = &link
	case !errors.Is(err, spool.ErrMissing):
		fault(err)
	}
	if s.Boot, err = proc.BootID(); err != nil {
		fault(err)
	}
	s.Freeze = h.Word(now)
	if err := h.state(&s, now); err != nil {
		fault(err)
	}
	return s
}

// state reads the executor's directory.
func (h Host) state(s *Status, now time.Time) error {
	v, err := spool.Look(h.StateDir)
	if errors.Is(err, spool.ErrMissing) {
		return errors.New("there is no executor's state directory at " + h.StateDir + " yet")
	}
	if err != nil {
		return err
	}
	defer v.Close()
	incarnation, err := v.Incarnation()
	if err == nil {
		s.Incarnation = hex.EncodeToString(incarnation[:])
	}
	var more error
	s.Watermark, more = v.Watermark()
	err = errors.Join(err, more)
	s.Entries, more = h.List()
	err = errors.Join(err, more)
	s.Bytes = bytesBelow(h.StateDir)
	if s.Incarnation != "" {
		s.Foreign, more = h.Foreign(now)
		err = errors.Join(err, more)
	}
	return err
}

// bytesBelow adds up files; what goes away meanwhile counts nothing.
func bytesBelow(dir string) (total uint64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // the others count all the same
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += uint64(info.Size())
		}
		return nil
	})
	return total
}
