package cgroup

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// The names of limits, as a host's facts have them.
const (
	MemoryLimit = "memory"
	CPULimit    = "cpu"
	PIDsLimit   = "pids"
)

// period is over what time the use of CPU is measured, in microseconds; a
// group that has used its share waits for the next.
const period = 100_000

// minQuota is the least that the kernel takes for a period, in microseconds.
const minQuota = 1000

// Make makes the group with its limits, and returns what there is of it and the
// names of the limits that it does not hold. It never fails: a host that cannot
// make it has none.
func (g Group) Make(l Limits) (made Group, unheld []string) {
	for h, path := range g.at {
		if path != "" && makeDir(path) == nil {
			made.at[h] = path
		}
	}
	for _, limit := range [...]struct {
		name string
		set  bool
		err  func() error
	}{
		{MemoryLimit, l.Memory > 0, func() error { return made.limitMemory(l.Memory) }},
		{CPULimit, l.CPU > 0, func() error { return made.limitCPU(l.CPU) }},
		{PIDsLimit, l.PIDs > 0, func() error { return made.limitPIDs("max") }},
	} {
		if limit.set && limit.err() != nil {
			unheld = append(unheld, limit.name)
		}
	}
	return made, unheld
}

// makeDir makes a directory of a group. One that is there is left of another
// state directory: if nobody is in it, it is made anew, so that it begins to
// count at zero.
func makeDir(path string) error {
	err := unix.Mkdir(path, 0o755)
	if errors.Is(err, unix.ENOENT) {
		if err = unix.Mkdir(filepath.Dir(path), 0o755); err == nil || errors.Is(err, unix.EEXIST) {
			err = unix.Mkdir(path, 0o755)
		}
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := removeDir(path); err != nil {
		return err
	}
	return unix.Mkdir(path, 0o755)
}

// errNoHierarchy: no hierarchy of this host limits that.
var errNoHierarchy = errors.New("this host's cgroups cannot limit it")

// file is where a limit is written: of version 1 if the group has that, else of
// version 2.
func (g Group) file(h hierarchy, v1, v2 string) (path string, err error) {
	switch {
	case g.at[h] != "":
		return filepath.Join(g.at[h], v1), nil
	case g.at[unified] != "":
		return filepath.Join(g.at[unified], v2), nil
	}
	return "", errNoHierarchy
}

func (g Group) limitMemory(bytes uint64) error {
	path, err := g.file(memory, "memory.limit_in_bytes", "memory.max")
	if err != nil {
		return err
	}
	value := strconv.FormatUint(bytes, 10)
	if err := write(path, value); err != nil {
		return err
	}
	// Without this the limit only pages out. A host without swap, or that does
	// not count it, has no such file.
	swap, none := "memory.memsw.limit_in_bytes", value
	if g.at[memory] == "" {
		swap, none = "memory.swap.max", "0"
	}
	if err := write(filepath.Join(filepath.Dir(path), swap), none); err != nil && !gone(err) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	return nil
}

func (g Group) limitCPU(thousandths uint32) error {
	quota := strconv.FormatUint(max(minQuota, uint64(thousandths)*period/1000), 10)
	if g.at[cpu] == "" {
		path, err := g.file(cpu, "", "cpu.max")
		if err != nil {
			return err
		}
		return write(path, quota+" "+strconv.Itoa(period))
	}
	if err := write(filepath.Join(g.at[cpu], "cpu.cfs_period_us"), strconv.Itoa(period)); err != nil {
		return err
	}
	return write(filepath.Join(g.at[cpu], "cpu.cfs_quota_us"), quota)
}

// limitPIDs is called with "max" before the fork, to learn whether it can be
// held, and with the limit after it: what forks may need more than the program.
func (g Group) limitPIDs(most string) error {
	path, err := g.file(pids, "pids.max", "pids.max")
	if err != nil {
		return err
	}
	return write(path, most)
}

// OOMKills is how many processes the kernel has ended because the group was at
// its memory limit.
func (g Group) OOMKills() (uint64, error) {
	path, err := g.file(memory, "memory.oom_control", "memory.events")
	if err != nil {
		return 0, nil //nolint:nilerr // no limit, no such end
	}
	return keyed(path, "oom_kill")
}

// Remove removes the group. An error wraps EBUSY if somebody is in it.
func (g Group) Remove() error {
	var faults []error
	for _, path := range g.at {
		if path != "" {
			faults = append(faults, removeDir(path))
		}
	}
	return errors.Join(faults...)
}

// removeDir removes a directory of a group and those that a command of root may
// have made below it; none of them while somebody is in any, whose they may be.
func removeDir(path string) error {
	err := unix.Rmdir(path)
	if err == nil || gone(err) {
		return nil
	}
	below, readErr := os.ReadDir(path)
	if readErr != nil || !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
		return &os.PathError{Op: "rmdir", Path: path, Err: err}
	}
	if in, err := members(path, nil); err != nil || len(in) > 0 {
		return &os.PathError{Op: "rmdir", Path: path, Err: cmp.Or(err, error(unix.EBUSY))}
	}
	for _, entry := range below {
		if entry.IsDir() {
			if err := removeDir(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(path); err != nil && !gone(err) {
		return &os.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}
