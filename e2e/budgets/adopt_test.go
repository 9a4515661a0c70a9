package budgets

import (
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// adoptBudget is the time from the start of an executor until it watches 200
// running commands again.
const adoptBudget = time.Second

// The best of a few restarts counts: what else the machine does is not ours.
func TestTwoHundredRunningCommandsAreAdoptedWithinASecond(t *testing.T) {
	const commands, restarts = 200, 5
	h := newHost(t)
	line, open := h.gate()
	var all sync.WaitGroup
	for caller := range 8 {
		all.Go(func() {
			for n := caller; n < commands; n += 8 {
				h.start(id(n), "/bin/bash", "-c", line)
			}
		})
	}
	all.Wait()
	h.await(commands, task.Running)
	best := time.Hour
	for range restarts {
		h.kill()
		begun := time.Now()
		h.launch()
		h.await(commands, task.Running)
		took := time.Since(begun)
		t.Logf("%d running commands are adopted %v after the start of the executor", commands, took.Round(time.Millisecond))
		if best = min(best, took); best < adoptBudget/2 {
			break
		}
	}
	if best > adoptBudget {
		t.Errorf("it took %v at best, the budget is %v", best, adoptBudget)
	}
	open()
	h.await(commands, task.Succeeded)
}
