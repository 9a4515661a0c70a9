package budgets

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// The budgets of an idle host (budgets: execution on a host).
var (
	agentBudget      = resources{resident: 24e6, wakeups: 2}
	executorBudget   = resources{resident: 20e6, wakeups: 2}
	endProcessBudget = resources{resident: 3e6, proportional: 1e6, wakeups: 0}
)

// afterWork is what an executor that has worked may take: pages of the program
// that are shared and can be dropped make up what is above the budget
// (docs/adr/0010).
const afterWork = 22.5e6

// quiet is how long it is watched.
const quiet = 10 * time.Second

func TestAnIdleExecutorAndItsEndProcessesKeepTheirBudgets(t *testing.T) {
	t.Parallel()
	const commands = 16 // that share the pages of their program
	h := newlyStarted(t)
	settled(t, "executor, new", h.process.Process.Pid, executorBudget)
	pids := []int{h.process.Process.Pid}
	for n := range commands {
		h.start(id(n), "/bin/sleep", "600")
	}
	h.await(commands, task.Running)
	for n := range commands {
		pids = append(pids, h.endProcess(id(n)))
	}
	all := idle(t, quiet, pids...)
	// What runs is looked at now and then; that is not idle.
	most := resources{resident: afterWork, wakeups: 2 + commands}
	within(t, "executor, 16 commands run", all[0], most)
	for _, r := range all[1:] {
		within(t, "end-process", r, endProcessBudget)
	}
	for n := commands; n < commands+100; n++ {
		h.start(id(n), "/bin/true")
	}
	h.await(100, task.Succeeded)
	for n := range commands {
		h.stop(id(n))
	}
	h.await(commands, task.Canceled)
	settled(t, "executor, after 116 commands", pids[0], resources{resident: afterWork, wakeups: executorBudget.wakeups})
}

// starts is how many executors are started until one is within its budget: how
// many pages of its program the kernel maps beside those that it asked for is
// what other processes have left in the cache.
const starts = 3

// newlyStarted is an executor that has answered a call, and done nothing else.
func newlyStarted(t *testing.T) *host {
	t.Helper()
	for n := 1; ; n++ {
		h := newHost(t)
		h.list()
		if r := idle(t, quiet, h.process.Process.Pid)[0]; n == starts || r.resident <= executorBudget.resident {
			return h
		}
		h.kill()
	}
}

// windows is for how many times quiet a process may be busy with what it has just
// done, until it is idle: the runtime gives memory back.
const windows = 8

// settled waits until a process is idle, for two heartbeats at least, and holds
// it to its budget then.
func settled(t *testing.T, who string, pid int, most resources) {
	t.Helper()
	r := idle(t, 2*quiet, pid)[0]
	for n := 2; n < windows && r.wakeups > most.wakeups; n += 2 {
		t.Logf("%s: %.2f wake-ups a second, it is not idle yet", who, r.wakeups)
		r = idle(t, 2*quiet, pid)[0]
	}
	within(t, who, r, most)
}

func TestAnIdleAgentKeepsItsBudget(t *testing.T) {
	t.Parallel()
	c := rig.Start(t, devcluster.Options{Hosts: 1})
	found := rig.Processes(t, "ccs-agent", c.Dir())
	if len(found) != 1 {
		t.Fatalf("%d agents run in %s", len(found), c.Dir())
	}
	settled(t, "agent", found[0].PID, agentBudget)
}
