package cgroup

import (
	"path"
	"slices"
	"strings"
)

// mounts is where hierarchies can be seen, and where in them we are.
type mounts struct {
	point [hierarchies]string // absolute; "": it is not mounted
	own   [hierarchies]string // our own group below it, such as /system.slice
}

// parseMounts reads /proc/self/mountinfo and /proc/self/cgroup. What it does not
// understand it leaves out.
func parseMounts(mountinfo, own string) mounts {
	var m mounts
	for line := range strings.Lines(own) {
		// "4:memory:/a", or "0::/a" of version 2.
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, h := range named(fields[0] == "0" && fields[1] == "", fields[1]) {
			m.own[h] = path.Clean("/" + fields[2])
		}
	}
	for line := range strings.Lines(mountinfo) {
		// "35 31 0:32 /root /mount/point rw … - cgroup cgroup rw,memory"
		before, after, ok := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		if !ok || len(where) < 5 || len(what) < 3 || strings.Contains(where[4], `\`) {
			continue
		}
		if what[0] != "cgroup" && what[0] != "cgroup2" {
			continue
		}
		for _, h := range named(what[0] == "cgroup2", what[2]) {
			// A container may see a part of the hierarchy alone.
			below, inside := strings.CutPrefix(m.own[h], strings.TrimSuffix(where[3], "/"))
			if m.point[h] == "" && m.own[h] != "" && inside {
				m.point[h], m.own[h] = where[4], path.Clean("/"+below)
			}
		}
	}
	return m
}

// named is which of our hierarchies a list of controllers names.
func named(v2 bool, controllers string) (found []hierarchy) {
	if v2 {
		return []hierarchy{unified}
	}
	list := strings.Split(controllers, ",")
	for h := memory; h < hierarchies; h++ {
		if slices.Contains(list, h.String()) {
			found = append(found, h)
		}
	}
	return found
}
