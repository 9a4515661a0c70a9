package scale

import (
	"fmt"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// The core's budgets. Bytes are those of budgets.md; the speeds are what
// architecture section 10 asks of the whole deployment, asked of one processor:
// 1,000 small jobs a second, each with a few reports of each of its targets.
const (
	mostPending = 200 // bytes
	mostHost    = 300 // bytes
	leastJobs   = 1_000
	leastSteps  = 100_000
	mostGrowth  = 10 // times: a step of a huge job over one of a small job
)

func TestTheCoreKeepsItsBudgets(t *testing.T) {
	f := Measure(*rooms, *hosts / *rooms)
	small, large := stepTime(1, 1000), stepTime(*rooms, *hosts / *rooms)
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(out, "the core, on one processor\there\tbudget\t\n")
	row := func(name string, here float64, least bool, budget float64, unit string) {
		word, over := "at most", here > budget
		if least {
			word, over = "at least", here < budget
		}
		_, _ = fmt.Fprintf(out, "%s\t%.1f%s\t%s %.0f%s\t\n", name, here, unit, word, budget, unit)
		if over {
			t.Errorf("%s: %.1f%s, the budget is %s %.0f%s", name, here, unit, word, budget, unit)
		}
	}
	row("a pending task, released and attached", f.Pending, false, mostPending, " B")
	row("a task that is done", f.Done, false, mostPending, " B")
	row("a host that is attached", f.Host, false, mostHost, " B")
	row("reports, each with its Ready, of a job on 1,000 hosts", 1/small.Seconds(), true, leastSteps, "/s")
	row(fmt.Sprintf("the same on %d hosts", *hosts), 1/large.Seconds(), true, leastSteps, "/s")
	row("a report's time there over that of 1,000 hosts", float64(large)/float64(small), false, mostGrowth, "")
	row("jobs of 10 hosts, from begin to end", smallJobs(), true, leastJobs, "/s")
	_ = out.Flush()
}

// stepTime is the best of some times of a report and its Ready.
func stepTime(rooms, perRoom int) time.Duration {
	list := idle(rooms, perRoom)
	m := released(idleTargets(list), list)
	best := time.Hour
	for range 5 {
		const n = 20_000
		began := time.Now()
		for i := range n {
			r := job.Reported{Report: task.Report{Attempt: 1, State: []task.State{task.Accepted, task.Running}[i%2]}}
			target := list[i*7919%len(list)].target
			r.Host, r.Incarnation = target.Host, target.Incarnation
			_ = m.Step(noon, r)
			m.Ready()
		}
		best = min(best, time.Since(began)/n)
	}
	return best
}

// smallJobs is how many small jobs there are in a second.
func smallJobs() float64 {
	const n = 2_000
	list := idle(2, 5)
	targets := idleTargets(list)
	began := time.Now()
	for range n {
		m := released(targets, list)
		for _, p := range list {
			_ = m.Step(noon, outcomeOf(p.target))
			m.Ready()
		}
	}
	return n / time.Since(began).Seconds()
}
