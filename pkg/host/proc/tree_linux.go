package proc

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// Tree is the processes that a command has started. A cgroup will be a third
// kind of it.
type Tree interface {
	// Signal sends the signal to every living process of the tree.
	Signal(sig syscall.Signal)
	// Alive reports whether any process of the tree lives.
	Alive() bool
	// Count returns how many live, now.
	Count() int
}

// Offspring is the tree below the calling process, which must be a subreaper:
// then no descendant can leave it, whatever sessions it makes.
type Offspring struct{}

// Signal implements Tree.
func (Offspring) Signal(sig syscall.Signal) { signalAll(descendants(os.Getpid()), sig) }

// Alive implements Tree, exactly and in one system call.
func (Offspring) Alive() bool { return HaveLivingChildren() }

// Count implements Tree.
func (Offspring) Count() int { return len(descendants(os.Getpid())) }

// Orphans is the tree of a command whose supervisor has died: its leader, the
// leader's session while the leader has an entry in the process table,
// everything that carries the mark in its environment, and all their
// descendants. It can miss a process that cleared its environment and lost its
// parent and its session's leader; a cgroup will not. It never takes a stranger
// for one of them.
type Orphans struct {
	Leader Identity // may be zero: it is not known
	Since  uint64   // nothing that started earlier belongs to it; clock ticks since boot
	Mark   string   // NAME=value in the environment
}

// Signal implements Tree.
func (o Orphans) Signal(sig syscall.Signal) { signalAll(o.living(), sig) }

// Alive implements Tree.
func (o Orphans) Alive() bool { return len(o.living()) > 0 }

// Count implements Tree.
func (o Orphans) Count() int { return len(o.living()) }

func (o Orphans) living() []Stat {
	table, err := Table()
	if err != nil {
		return nil
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
		if st.Start < o.Since || st.PID == os.Getpid() {
			continue
		}
		if st.Session == session || carries(st.PID, o.Mark) {
			roots[st.PID] = true
		}
	}
	return below(table, roots)
}

// carries reports whether the process was given the mark. An unreadable or
// ended process carries none.
func carries(pid int, mark string) bool {
	if mark == "" {
		return false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if string(entry) == mark {
			return true
		}
	}
	return false
}

func descendants(root int) []Stat {
	table, err := Table()
	if err != nil {
		return nil
	}
	children := map[int]bool{}
	for _, st := range table {
		if st.Parent == root {
			children[st.PID] = true
		}
	}
	return below(table, children)
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

// signalAll sends through pidfds, each verified against the table that chose it.
func signalAll(chosen []Stat, sig syscall.Signal) {
	boot, err := BootID()
	if err != nil {
		return
	}
	for _, st := range chosen {
		p, err := Open(Identity{Boot: boot, PID: st.PID, Start: st.Start})
		if err != nil {
			continue
		}
		_ = p.Signal(sig) // gone already is what we want
		p.Close()
	}
}
