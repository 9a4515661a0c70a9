package torture

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

const someJob = "01a201c6-757b-7694-af9e-0e1ed0e06ce3"

// line is what the script leaves for a host.
func line(word, host string) string {
	return word + ":/tmp/c/state/executor-" + host + "/commands/" + someJob + "/stderr.1.fifo"
}

// run is a job in which every host has done what it should, one after the other.
func run(t *testing.T) (w *work, lines []string) {
	t.Helper()
	w = &work{id: someJob, kind: "some at a time", witness: rig.NewWitness(t)}
	w.request.Concurrency = client.Amount{Count: 1}
	for n := range hosts {
		host := fmt.Sprint("h", n+1)
		w.tasks = append(w.tasks, client.Task{Host: host, State: "SUCCEEDED"})
		lines = append(lines, line("begin", host), line("end:0", host))
	}
	return w, lines
}

func TestTheVerdictSeesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(w *work, lines []string) []string
		want string // part of the fault; empty: there is none
	}{
		"nothing": {func(_ *work, l []string) []string { return l }, ""},
		"run twice": {func(_ *work, l []string) []string {
			return append(l, line("begin", "h3"), line("end:0", "h3"))
		}, "h3 ended SUCCEEDED"},
		"not run at all": {func(_ *work, l []string) []string { return l[2:] }, "h1 ended SUCCEEDED"},
		"another status": {func(_ *work, l []string) []string { l[1] = line("end:1", "h1"); return l }, "h1 ended SUCCEEDED"},
		"ran, and was not to": {func(w *work, l []string) []string {
			w.kind, w.tasks[4].State = "canceled", "SKIPPED"
			return l
		}, "h5 ended SKIPPED"},
		"lost without a reason": {func(w *work, l []string) []string { w.tasks[0].State = "LOST"; return l }, "h1 ended LOST"},
		"never heard":           {func(w *work, l []string) []string { w.tasks[0].State = "UNKNOWN"; return l }, "h1 ended UNKNOWN"},
		"a host forgotten":      {func(w *work, l []string) []string { w.tasks = w.tasks[1:]; return l }, "it has 19 tasks"},
		"two at a time":         {func(_ *work, l []string) []string { l[1], l[2] = l[2], l[1]; return l }, "2 are at work"},
		"past the pause point":  {func(w *work, l []string) []string { w.points = []int{7}; return l }, "its pause point is at 7"},
		"the pause point raised": {func(w *work, l []string) []string {
			w.points = []int{1}
			return append([]string{l[0], l[1], "limit:20"}, l[2:]...)
		}, ""},
		"a batch too early": {func(w *work, l []string) []string {
			w.request.Concurrency, w.request.Batches = client.Amount{}, []client.Amount{{Count: 1}}
			l[1], l[2] = l[2], l[1]
			return l
		}, "are in the batches before"},
		"over the budget": {func(w *work, l []string) []string {
			w.request.MaxFailures = &client.Budget{Count: 1}
			for i := range 3 {
				w.tasks[i].State, w.tasks[i].ExitCode, l[2*i+1] = "FAILED", 1, line("end:1", w.tasks[i].Host)
			}
			return l
		}, "3 tasks are bad"},
	} {
		t.Run(name, func(t *testing.T) {
			w, lines := run(t)
			lines = c.lie(w, lines)
			w.witness.Write(t, strings.Join(lines, "\n"))
			faults := strings.Join(w.judge(nil, newTally()), "; ")
			if (c.want == "") != (faults == "") || !strings.Contains(faults, c.want) {
				t.Errorf("the verdict is %q, want %q", faults, c.want)
			}
		})
	}
}
