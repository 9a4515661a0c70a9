package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Choice says which groups a host may use.
type Choice string

// The choices.
const (
	UseAuto Choice = "auto" // whatever can limit most
	UseNone Choice = "none"
	UseV1   Choice = "v1" // version 1; if version 2 is there too it ends, and does not limit
	UseV2   Choice = "v2" // version 2 alone
)

// Valid reports whether it is one of the choices; the empty one is none.
func (c Choice) Valid() bool {
	return c == "" || c == UseAuto || c == UseNone || c == UseV1 || c == UseV2
}

// folder is ours below the parent: the groups of all executors of the host.
const folder = "ccs"

// Search is what to look for.
type Search struct {
	Choice Choice
	// Parent is the group below which ours are made, as a path within the
	// hierarchies such as /ccs.slice; it is made if it is not there. Empty:
	// the group that we are in ourselves.
	Parent string
	// Prefix begins the names of our groups: nobody else's begin so.
	Prefix string
	// Program is run once as a trial, with one argument, --version.
	Program string
}

// Found is what a host has.
type Found struct {
	Place Place
	Holds []string // the names of the limits that groups hold there
	// Why says what is wrong with those that could have been used and are not.
	Why error
}

// Find finds the place that holds most. Each is tried: a group is made, a
// program is born in it, and it is removed again. It moves nobody.
func Find(s Search) Found {
	var best Found
	if s.Choice == UseNone || s.Choice == "" {
		return best
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Found{Why: err}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Found{Why: err}
	}
	var faults []error
	for _, p := range s.candidates(parseMounts(string(mountinfo), string(own))) {
		holds, err := s.try(p)
		switch {
		case err != nil:
			faults = append(faults, err)
		case best.Place == Place{} || len(holds) > len(best.Holds):
			best.Place, best.Holds = p, holds
		}
	}
	best.Why = errors.Join(faults...)
	return best
}

// candidates are the places to try, the best first if they hold the same.
func (s Search) candidates(m mounts) []Place {
	var v2, v1, both Place
	for h := range hierarchies {
		if m.point[h] == "" {
			continue
		}
		at := filepath.Join(s.prepare(h, m), s.Prefix)
		if both.at[h] = at; h == unified {
			v2.at[h] = at
		} else {
			v1.at[h] = at
		}
	}
	var all []Place
	for _, c := range [...]struct {
		place Place
		use   bool
	}{
		{v2, s.Choice != UseV1},
		{both, s.Choice != UseV2 && both != v1 && both != v2},
		{v1, s.Choice != UseV2},
	} {
		if c.use && c.place != (Place{}) {
			all = append(all, c.place)
		}
	}
	return all
}

// prepare makes the directory that ours go into, and returns it; that it could
// not is seen when it is tried.
func (s Search) prepare(h hierarchy, m mounts) string {
	top, within := m.point[h], m.own[h]
	if s.Parent != "" {
		within = filepath.Clean(s.Parent)
	}
	parent := filepath.Join(top, within)
	if s.Parent == "" && h == unified && delegated(filepath.Dir(parent)) {
		parent = filepath.Dir(parent) // we are in a group of our own below what is given to us
	}
	dir := filepath.Join(parent, folder)
	if s.Parent == "" {
		_ = unix.Mkdir(dir, 0o755)
		top = parent
	} else {
		_ = os.MkdirAll(dir, 0o755) //nolint:gosec // who is in which group is no secret
	}
	if h == unified {
		for at := dir; strings.HasPrefix(at, top); at = filepath.Dir(at) {
			defer enable(at) // the topmost first
		}
	}
	return dir
}

// delegated reports whether the service manager has given the group away
// (systemd.resource-control(5), Delegate=).
func delegated(path string) bool {
	var value [8]byte
	for _, name := range [...]string{"trusted.delegate", "user.delegate"} {
		if n, err := unix.Getxattr(path, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// enable lets groups below limit, if the group has no processes itself or is the
// topmost. All in one step: a group with processes would take cpu and pids
// alone, and from then on have room for threads only.
func enable(path string) {
	data, err := os.ReadFile(filepath.Join(path, "cgroup.controllers")) //nolint:gosec // a file of a group
	if err != nil {
		return
	}
	var wanted []string
	for name := range strings.FieldsSeq(string(data)) {
		if name == "memory" || name == "pids" || name == "cpu" {
			wanted = append(wanted, "+"+name)
		}
	}
	topmost := unix.Access(filepath.Join(path, "cgroup.type"), unix.F_OK) != nil
	procs, err := os.ReadFile(filepath.Join(path, "cgroup.procs")) //nolint:gosec // a file of a group
	if topmost || err == nil && len(procs) == 0 {
		_ = write(filepath.Join(path, "cgroup.subtree_control"), strings.Join(wanted, " "))
	}
}

// trial is what a group is tried with: more than the program needs.
var trial = Limits{Memory: 256 << 20, CPU: 1000, PIDs: 100}

// try returns the names of the limits that the place holds.
func (s Search) try(p Place) (holds []string, err error) {
	planned := p.Group("trial", uint32(os.Getpid()), trial)
	g, unheld := planned.Make(trial)
	defer func() { _ = g.Remove() }()
	if g.at[planned.main()] == "" {
		return nil, errors.Join(errMake, unix.Access(filepath.Dir(planned.at[planned.main()]), unix.W_OK))
	}
	if err := s.birth(g); err != nil {
		return nil, err
	}
	for _, name := range [...]string{MemoryLimit, CPULimit, PIDsLimit} {
		if !slices.Contains(unheld, name) {
			holds = append(holds, name)
		}
	}
	return holds, nil
}

var errMake = errors.New("cannot make a cgroup")

// birth starts the program in the group and waits for its end.
func (s Search) birth(g Group) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	var pid int
	attr := &syscall.ProcAttr{Dir: "/", Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}}
	err = g.Fork(attr.Sys, trial, func() error {
		pid, err = syscall.ForkExec(s.Program, []string{s.Program, "--version"}, attr) //nolint:gosec // the operator names the program
		return err
	})
	if err != nil {
		return err
	}
	for {
		if _, err = syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
