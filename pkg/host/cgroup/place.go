package cgroup

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
)

// Limits bounds what a tree of processes may use together. Zero: no limit.
type Limits struct {
	Memory uint64 // bytes, the page cache of its files included; swap is not added to it
	CPU    uint32 // thousandths of one CPU
	PIDs   uint32 // processes and threads
}

// IsZero reports whether nothing is limited.
func (l Limits) IsZero() bool { return l == Limits{} }

// hierarchy is one tree of groups that the kernel shows.
type hierarchy int

const (
	unified hierarchy = iota // all of version 2
	memory                   // the rest are of version 1
	pids
	cpu
	freezer
	hierarchies
)

// String names it as /proc/self/cgroup does, but for version 2.
func (h hierarchy) String() string {
	return [...]string{"unified", "memory", "pids", "cpu", "freezer"}[h]
}

// The versions, as a host's facts name them.
const (
	V1   = "v1"
	V2   = "v2"
	None = "none"
)

// Place is where a host's groups are made: a directory and the beginning of a
// name in each hierarchy that is used. The zero value is a host without groups.
type Place struct{ at [hierarchies]string }

// Version says which interface limits: V1 if any hierarchy of it is used, V2,
// or None.
func (p Place) Version() string {
	for h := memory; h < hierarchies; h++ {
		if p.at[h] != "" {
			return V1
		}
	}
	if p.at[unified] != "" {
		return V2
	}
	return None
}

// Entries is the place as text, one hierarchy each: name=path.
func (p Place) Entries() []string { return entries(p.at) }

// ParsePlace reads Entries.
func ParsePlace(entries []string) (Place, error) {
	at, err := parse(entries)
	return Place{at}, err
}

// Group names the group of an attempt. It has a directory in the hierarchies
// that its limits need, and one by which it is ended.
func (p Place) Group(id string, attempt uint32, l Limits) Group {
	var g Group
	use := func(h hierarchy, wanted bool) {
		if wanted && p.at[h] != "" {
			g.at[h] = p.at[h] + id + "." + strconv.FormatUint(uint64(attempt), 10)
		}
	}
	use(unified, true)
	use(memory, l.Memory > 0)
	use(pids, l.PIDs > 0)
	use(cpu, l.CPU > 0)
	use(freezer, p.at[unified] == "")
	for h := memory; g.IsZero() && h < hierarchies; h++ {
		use(h, true) // whichever there is tells who is in it
	}
	return g
}

// Group is the group of one attempt: a directory in each hierarchy that it
// uses. The zero value has none: nobody is in it. Its methods may be called
// from any goroutine and process.
type Group struct{ at [hierarchies]string }

// IsZero reports whether there is no group.
func (g Group) IsZero() bool { return g == Group{} }

// Entries is the group as text, one hierarchy each: name=path.
func (g Group) Entries() []string { return entries(g.at) }

// ParseGroup reads Entries.
func ParseGroup(entries []string) (Group, error) {
	at, err := parse(entries)
	return Group{at}, err
}

// main is the hierarchy that tells who is in the group and ends them.
func (g Group) main() hierarchy {
	for _, h := range [...]hierarchy{unified, freezer, pids, memory, cpu} {
		if g.at[h] != "" {
			return h
		}
	}
	return unified
}

func entries(at [hierarchies]string) []string {
	var out []string
	for h, path := range at {
		if path != "" {
			out = append(out, hierarchy(h).String()+"="+path)
		}
	}
	return out
}

var errEntry = errors.New("a cgroup must be written as name=path with the name of a hierarchy and an absolute path")

func parse(entries []string) (at [hierarchies]string, err error) {
	for _, entry := range entries {
		name, path, _ := strings.Cut(entry, "=")
		known := false
		for h := range hierarchies {
			if h.String() == name && at[h] == "" && filepath.IsAbs(path) {
				at[h], known = path, true
			}
		}
		if !known {
			return [hierarchies]string{}, errEntry
		}
	}
	return at, nil
}
