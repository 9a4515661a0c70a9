package spool

import (
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// putSettings writes what is not the default, so that a record without settings
// is what programs before them wrote, and read.
func (run Run) putSettings(r *record) {
	for _, l := range []struct {
		key string
		n   uint64
	}{
		{"limit_memory", run.Limits.MemoryBytes},
		{"limit_cpu_millis", uint64(run.Limits.CPUMillis)},
		{"limit_pids", uint64(run.Limits.PIDs)},
		{"limit_open_files", uint64(run.Limits.OpenFiles)},
		{"oom_score_adj", uint64(run.OOMScoreAdj)},
	} {
		if l.n != 0 {
			r.size(l.key, l.n)
		}
	}
	if run.Umask != nil {
		r.text("umask", "0"+strconv.FormatUint(uint64(*run.Umask), 8))
	}
	for _, l := range run.Rlimits {
		r.text("rlimit", l.Resource.String()+" "+strconv.FormatUint(l.Value, 10))
	}
	r.flag("leave_descendants", run.LeaveDescendants)
}

// settings reads them.
func (r *reader) settings(run *Run) {
	run.Limits = Limits{
		MemoryBytes: optional[uint64](r, "limit_memory"), CPUMillis: optional[uint32](r, "limit_cpu_millis"),
		PIDs: optional[uint32](r, "limit_pids"), OpenFiles: optional[uint32](r, "limit_open_files"),
	}
	run.OOMScoreAdj = optional[uint16](r, "oom_score_adj")
	if text := r.opt("umask"); text != "" {
		n, err := strconv.ParseUint(text, 8, 32)
		r.failed = r.failed || err != nil
		umask := uint32(n)
		run.Umask = &umask
	}
	for _, text := range r.list("rlimit") {
		name, value, _ := strings.Cut(text, " ")
		resource, known := task.ParseResource(name)
		n, err := strconv.ParseUint(value, 10, 64)
		r.failed = r.failed || !known || err != nil
		run.Rlimits = append(run.Rlimits, task.Rlimit{Resource: resource, Value: n})
	}
	run.LeaveDescendants = r.flag("leave_descendants")
}

// optional reads a number, which is 0 if it is not there.
func optional[N uint16 | uint32 | uint64](r *reader, key string) N {
	text := r.opt(key)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	r.failed = r.failed || err != nil || n == 0 || uint64(N(n)) != n
	return N(n)
}
