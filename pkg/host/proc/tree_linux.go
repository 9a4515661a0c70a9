package proc

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Tree is the processes that a command has started: Offspring, Orphans, or
// Grouped with one of them. An error says that nothing is known: nobody may be
// taken for dead.
type Tree interface {
	// Signal sends the signal to every living process of the tree that may be
	// signaled. An error: some may not have got it.
	Signal(sig syscall.Signal) error
	// Alive reports whether any process of the tree lives.
	Alive() (bool, error)
	// Living names those that live, now.
	Living() ([]Stat, error)
}

// Offspring is the tree below the calling process, which must be a subreaper:
// then no descendant can leave it, whatever sessions it makes.
type Offspring struct{}

// Signal implements Tree.
func (o Offspring) Signal(sig syscall.Signal) error { return signalAll(o, sig) }

// Alive implements Tree, exactly and in one system call. It never fails.
func (Offspring) Alive() (bool, error) { return HaveLivingChildren(), nil }

// Living implements Tree.
func (Offspring) Living() ([]Stat, error) {
	table, err := Table()
	if err != nil {
		return nil, err
	}
	children := map[int]bool{}
	for _, st := range table {
		if st.Parent == os.Getpid() {
			children[st.PID] = true
		}
	}
	return below(table, children), nil
}

// Orphans is the tree of a command whose supervisor has died: its leader, the
// leader's session while the leader has an entry in the process table,
// everything that carries the mark in its environment, and all their
// descendants. The supervisor carries the mark too, and so does what it has
// forked and not yet made another program of. It can miss a process that
// cleared its environment and lost its parent and its session's leader;
// Grouped does not. It never takes a stranger for one of them.
type Orphans struct {
	Leader Identity // may be zero: it is not known
	Since  uint64   // nothing that started earlier belongs to it; clock ticks since boot
	Mark   string   // NAME=value in the environment
}

// Signal implements Tree.
func (o Orphans) Signal(sig syscall.Signal) error { return signalAll(o, sig) }

// Alive implements Tree.
func (o Orphans) Alive() (bool, error) {
	living, err := o.Living()
	return len(living) > 0, err
}

// Living implements Tree.
func (o Orphans) Living() ([]Stat, error) {
	table, err := Table()
	if err != nil {
		return nil, err
	}
	// A session's number is its leader's only while the leader has its entry;
	// later it may be a stranger's.
	session := -1
	for _, st := range table {
		if st.PID == o.Leader.PID && st.Start == o.Leader.Start {
			session = o.Leader.PID
		}
	}
	roots := map[int]bool{}
	for _, st := range table {
		if st.Start < o.Since || st.PID == os.Getpid() || st.Ended() {
			continue
		}
		in := st.Session == session
		if !in {
			if in, err = carries(st, o.Mark); err != nil {
				return nil, err
			}
		}
		if in {
			roots[st.PID] = true
		}
	}
	return below(table, roots), nil
}

// below returns the living processes among the roots and their descendants.
func below(table []Stat, in map[int]bool) []Stat {
	for grown := true; grown; {
		grown = false
		for _, st := range table {
			if in[st.Parent] && !in[st.PID] {
				in[st.PID], grown = true, true
			}
		}
	}
	var out []Stat
	for _, st := range table {
		if in[st.PID] && !st.Ended() {
			out = append(out, st)
		}
	}
	return out
}

// signalAll sends through pidfds, each verified against the table that chose
// it. Who has ended meanwhile, or may not be signaled by us, is no error.
func signalAll(tree Tree, sig syscall.Signal) error {
	chosen, err := tree.Living()
	if err != nil {
		return err
	}
	var faults []error
	for _, st := range chosen {
		err := signalOne(st, sig)
		if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, unix.EPERM) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func signalOne(st Stat, sig syscall.Signal) error {
	p, err := open(Identity{PID: st.PID, Start: st.Start})
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Signal(sig)
}
