package client

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// Unlimited as a value of Command.Rlimits lifts a limit, where the host allows it.
const Unlimited = math.MaxUint64

// Limits bounds what a command may use on a host, with all that it starts. Zero
// is no limit. A host holds them by a cgroup; where it has none, MemoryBytes
// bounds the address space of each process and PIDs the processes of the account,
// and a command that limits CPU, or processes of root, is START_FAILED.
type Limits struct {
	MemoryBytes uint64 // of all processes together
	CPUMillis   uint32 // thousandths of one CPU, together
	PIDs        uint32 // processes and threads, together
	OpenFiles   uint32 // descriptors of each process
}

// Resources is what Command.Rlimits can name: as, core, cpu, data, fsize, memlock,
// nproc and stack.
func Resources() []string {
	var names []string
	for _, r := range task.Resources() {
		names = append(names, r.String())
	}
	return names
}

// settingsOf puts in how carefully a command is to be run.
func settingsOf(c Command, out *capsule.Command) error {
	out.Limits = capsule.Limits{
		OutputBytes: c.OutputLimit, MemoryBytes: c.Limits.MemoryBytes,
		CPUMillis: c.Limits.CPUMillis, PIDs: c.Limits.PIDs, OpenFiles: c.Limits.OpenFiles,
	}
	if c.OOMScoreAdj < 0 || c.OOMScoreAdj > task.MaxOOMScoreAdj {
		return invalid("the OOM score adjustment must be 0 to %d, not %d: a command can only be made to go sooner", task.MaxOOMScoreAdj, c.OOMScoreAdj)
	}
	out.OOMScoreAdj, out.LeaveDescendants = uint16(c.OOMScoreAdj), c.LeaveDescendants
	if c.Umask != nil {
		umask := *c.Umask // the caller's may change
		out.Umask = &umask
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rlimits)) {
		resource, known := task.ParseResource(name)
		switch {
		case name == "nofile":
			return invalid("the limit of open files is OpenFiles of Limits, and no rlimit nofile")
		case !known:
			return invalid("there is no rlimit %q: give some of %s", name, strings.Join(Resources(), ", "))
		}
		out.Rlimits = append(out.Rlimits, task.Rlimit{Resource: resource, Value: c.Rlimits[name]})
	}
	slices.SortFunc(out.Rlimits, func(a, b task.Rlimit) int { return int(a.Resource) - int(b.Resource) })
	return nil
}
