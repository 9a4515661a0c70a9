package operator

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// Care says who supervises a command.
type Care string

// The kinds of care. What has ended, or waits for its start, needs none.
const (
	NoCare       Care = ""
	ByEndProcess Care = "end-process"
	ByExecutor   Care = "executor"
	ByNobody     Care = "nobody" // its end-process is dead, and the executor is down
)

// Entry is what the disk and the process table say of one command. It holds no
// argument, no value of a variable and no byte of a script: those may be secret.
type Entry struct {
	ID         string
	State      task.State
	Reason     task.Reason
	Attempt    uint32
	Account    string    // that it runs as; empty: the executor's own
	Group      string    // its slot group, which is its class; empty: the default group
	Program    string    // its first word, or of a script its interpreter
	Since      time.Time // in its state; zero: unknown
	Leader     int       // pid of the user's process; 0: none
	Supervisor int       // pid of the end-process; 0: none
	Care       Care
	Stop       bool   // a stop is wished
	Message    string // of the outcome
	Released   bool   // only a tombstone is left, which remembers it
	Damaged    []string
}

// Live reports whether it has not ended.
func (e Entry) Live() bool { return !e.State.Final() && !e.Released }

// Running reports whether it has processes, as far as is known.
func (e Entry) Running() bool { return e.Live() && e.Care != NoCare }

// List is all that is known of commands on this host, newest first, with the
// tombstones of released ones last. What goes away meanwhile is left out.
func (h Host) List() ([]Entry, error) {
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	ids, err := v.IDs()
	if err != nil {
		return nil, err
	}
	_, up, err := spool.HeldBy(h.StateDir)
	if err != nil {
		return nil, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, err
	}
	var all []Entry
	seen := map[string]bool{}
	for _, id := range ids {
		e, err := entry(v, id, boot, up)
		if errors.Is(err, spool.ErrMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen[id] = true
		all = append(all, e)
	}
	tombs, damaged, err := v.Tombs()
	if err != nil {
		return nil, err
	}
	for _, t := range tombs {
		if !seen[t.ID] {
			all = append(all, buried(t))
		}
	}
	for _, id := range damaged {
		if !seen[id] {
			all = append(all, Entry{ID: id, Released: true, Damaged: []string{"tombstone"}})
		}
	}
	slices.SortFunc(all, newestFirst)
	return all, nil
}

func newestFirst(a, b Entry) int {
	switch {
	case a.Released != b.Released && a.Released:
		return 1
	case a.Released != b.Released:
		return -1
	case !a.Since.Equal(b.Since):
		return b.Since.Compare(a.Since)
	}
	return strings.Compare(a.ID, b.ID)
}

// Find is the entry of one command. ErrMissing: it is not known here.
func (h Host) Find(id string) (Entry, error) {
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return Entry{}, err
	}
	defer v.Close()
	_, up, err := spool.HeldBy(h.StateDir)
	if err != nil {
		return Entry{}, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return Entry{}, err
	}
	e, err := entry(v, id, boot, up)
	if !errors.Is(err, spool.ErrMissing) {
		return e, err
	}
	t, err := v.Tomb(id)
	if errors.Is(err, spool.ErrDamaged) {
		return Entry{ID: id, Released: true, Damaged: []string{"tombstone"}}, nil
	}
	if err != nil {
		return Entry{}, err
	}
	return buried(t), nil
}

func buried(t spool.Tomb) Entry {
	e := Entry{ID: t.ID, Released: t.Released, Attempt: t.Attempt}
	if !t.Released {
		e.State, e.Reason, e.Since, e.Message = t.Outcome.State, t.Outcome.Exit.Reason, t.Outcome.Ended, t.Outcome.Message
	}
	return e
}
