package endprocess

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// kernelLimit is a limit of setrlimit(2), soft and hard alike.
type kernelLimit struct {
	which int // RLIMIT_…
	value uint64
}

// kernelNames are the limits with their names, for a person.
var kernelNames = [...]struct {
	which    int
	resource task.Resource
	name     string
}{
	{unix.RLIMIT_AS, task.ResourceAS, "as"},
	{unix.RLIMIT_CORE, task.ResourceCore, "core"},
	{unix.RLIMIT_CPU, task.ResourceCPU, "cpu"},
	{unix.RLIMIT_DATA, task.ResourceData, "data"},
	{unix.RLIMIT_FSIZE, task.ResourceFSize, "fsize"},
	{unix.RLIMIT_MEMLOCK, task.ResourceMemLock, "memlock"},
	{unix.RLIMIT_NPROC, task.ResourceNProc, "nproc"},
	{unix.RLIMIT_STACK, task.ResourceStack, "stack"},
	{unix.RLIMIT_NOFILE, 0, "open files"},
}

func (l kernelLimit) name() string {
	for _, n := range kernelNames {
		if n.which == l.which {
			return n.name
		}
	}
	return strconv.Itoa(l.which)
}

// limitsOf is what the kernel is told to hold for each process of the command.
func limitsOf(run spool.Run) (limits []kernelLimit) {
	for _, l := range run.Rlimits {
		for _, n := range kernelNames {
			if n.resource == l.Resource {
				limits = append(limits, kernelLimit{n.which, l.Value})
			}
		}
	}
	if n := run.Limits.OpenFiles; n > 0 {
		limits = append(limits, kernelLimit{unix.RLIMIT_NOFILE, uint64(n)})
	}
	return limits
}

// fallbackLimits is limitsOf with what holds those limits of the whole tree that
// no cgroup does: memory by the address space of each process, and processes by
// the number that the account may have on the host. What nothing can hold keeps
// the command from being started: CPU time by the second, and processes of root.
func fallbackLimits(run spool.Run, tree spool.Limits, root bool) ([]kernelLimit, *fault) {
	limits := limitsOf(run)
	switch {
	case tree.CPUMillis > 0:
		return nil, unheld("CPU")
	case tree.PIDs > 0 && root:
		return nil, unheld("the processes of root")
	}
	if tree.MemoryBytes > 0 {
		limits = atMost(limits, kernelLimit{unix.RLIMIT_AS, tree.MemoryBytes})
	}
	if tree.PIDs > 0 {
		limits = atMost(limits, kernelLimit{unix.RLIMIT_NPROC, uint64(tree.PIDs)})
	}
	return limits, nil
}

func unheld(what string) *fault {
	return &fault{reason: task.BadSpec, text: "cannot start the command: it limits " + what + ", and this host has no cgroup for it that could hold that"}
}

// atMost adds a limit, or lowers the one that there is.
func atMost(limits []kernelLimit, l kernelLimit) []kernelLimit {
	for i, have := range limits {
		if have.which == l.which {
			limits[i].value = min(have.value, l.value)
			return limits
		}
	}
	return append(limits, l)
}

// noCore keeps core files out of working directories. The hard limit stays, for
// commands that ask for one.
func noCore() {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &l) == nil && l.Cur > 0 {
		l.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	}
}
