package torture

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// task is one command of one job on one host.
type task struct{ host, job string }

// place is how the arguments of an end-process name its command, and the paths
// of what the command has open.
var place = regexp.MustCompile(`/executor-(h\d+)/.*?([0-9a-f]{8}-[0-9a-f-]{27})`)

// taskOf finds the command in such a text.
func taskOf(text string) (task, bool) {
	found := place.FindStringSubmatch(text)
	if found == nil {
		return task{}, false
	}
	return task{host: found[1], job: found[2]}, true
}

// tally counts the ends of all tasks.
type tally struct {
	tasks, jobs int
	by          map[string]int
}

func newTally() *tally { return &tally{by: map[string]int{}} }

// String is the counts, in order.
func (y *tally) String() string {
	text := fmt.Sprintf("%d jobs, %d tasks:", y.jobs, y.tasks)
	for _, state := range slices.Sorted(maps.Keys(y.by)) {
		text += fmt.Sprintf(" %s %d", state, y.by[state])
	}
	return text
}

// seen is what the world has seen of one host.
type seen struct {
	begun int
	ends  []string // exit statuses
}

// judge compares what CCS says of a job with what the world has seen. Of those
// whose end-process was killed less can be known.
func (w *work) judge(killed map[task]bool, y *tally) (faults []string) {
	world, faults := w.world(killed)
	if len(w.tasks) != hosts {
		faults = append(faults, fmt.Sprintf("it has %d tasks, want %d", len(w.tasks), hosts))
	}
	bad := 0
	for _, t := range w.tasks {
		y.tasks++
		y.by[t.State]++
		saw := world[t.Host]
		if !w.fits(t, saw, killed[task{t.Host, w.id}]) {
			faults = append(faults, fmt.Sprintf("%s ended %s status %d at attempt %d (%s), and the world has seen %+v",
				t.Host, rig.Word(t), t.ExitCode, t.Attempt, t.Message, saw))
		}
		if !slices.Contains([]string{"SUCCEEDED", "CANCELED", "SKIPPED"}, t.State) {
			bad++
		}
	}
	y.jobs++
	if b := w.request.MaxFailures; b != nil && bad > int(b.Count)+1 {
		faults = append(faults, fmt.Sprintf("%d tasks are bad, and its budget is %d", bad, b.Count))
	}
	return faults
}

// fits says whether an outcome is the truth.
func (w *work) fits(t client.Task, saw seen, killed bool) bool {
	ends := strings.Join(saw.ends, " ")
	switch t.State {
	case "SUCCEEDED", "FAILED":
		return saw.begun == 1 && ends == fmt.Sprint(t.ExitCode) && t.Signal == 0
	case "SKIPPED":
		return saw.begun == 0 && (w.kind == "canceled" || w.kind == "failure budget")
	case "CANCELED":
		return saw.begun <= 1 && w.kind == "canceled"
	case "TIMED_OUT":
		return saw.begun <= 1 && ends == "" && w.kind == "timed out"
	case "LOST", "START_FAILED":
		return killed && saw.begun <= 1
	}
	return false // UNKNOWN and EXPIRED too: every host is back, and there was time
}

// world reads what was seen, and checks on the way what can be checked in the
// order of the lines alone: how many were at work at once, that no batch began
// before the end of the one before, and how far the pause points let it go.
func (w *work) world(killed map[task]bool) (by map[string]seen, faults []string) {
	raw, err := os.ReadFile(w.witness.Path)
	if err != nil {
		return nil, []string{err.Error()}
	}
	by = map[string]seen{}
	rules := newRules(w)
	for line := range strings.Lines(string(raw)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		if word == "limit" {
			rules.raise(rest)
			continue
		}
		of, ok := taskOf(rest)
		if !ok || of.job != w.id {
			faults = append(faults, fmt.Sprintf("the witness says %q", line))
			continue
		}
		saw := by[of.host]
		switch word {
		case "begin":
			saw.begun++
			rules.begin(killed[of])
		case "end":
			status, _, _ := strings.Cut(rest, ":")
			saw.ends = append(saw.ends, status)
			rules.end(killed[of])
		}
		by[of.host] = saw
	}
	return by, append(faults, rules.broken...)
}
