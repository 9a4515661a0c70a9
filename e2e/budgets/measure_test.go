package budgets

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resources is what a process takes.
type resources struct {
	resident     uint64  // bytes
	proportional uint64  // bytes; pages that it shares with others count in part
	wakeups      float64 // a second
}

// kilobytes reads the lines "<key>: <n> kB" of a file of /proc.
func kilobytes(t *testing.T, file string) map[string]uint64 {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	values := map[string]uint64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 3 && words[2] == "kB" {
			n, err := strconv.ParseUint(words[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			values[words[0]] = n << 10
		}
	}
	return values
}

// switches is how often the threads of a process have gone to sleep so far: each
// time something woke them.
func switches(t *testing.T, pid int) (n int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("process %d is gone: %v", pid, err)
	}
	for _, task := range tasks {
		data, _ := os.ReadFile(task) // a thread may have ended
		for line := range strings.Lines(string(data)) {
			if words := strings.Fields(line); len(words) == 2 && words[0] == "voluntary_ctxt_switches:" {
				count, err := strconv.Atoi(words[1])
				if err != nil {
					t.Fatal(err)
				}
				n += count
			}
		}
	}
	return n
}

// idle measures processes over a time in which nobody asks them for anything.
func idle(t *testing.T, over time.Duration, pids ...int) []resources {
	t.Helper()
	all := make([]resources, len(pids))
	before := make([]int, len(pids))
	for i, pid := range pids {
		before[i] = switches(t, pid)
	}
	<-time.After(over) // what is measured is that nothing happens
	for i, pid := range pids {
		memory := kilobytes(t, "/proc/"+strconv.Itoa(pid)+"/smaps_rollup")
		all[i] = resources{
			resident: memory["Rss:"], proportional: memory["Pss:"],
			wakeups: float64(switches(t, pid)-before[i]) / over.Seconds(),
		}
	}
	return all
}

// within says what a process takes, and what of it is too much. A budget of 0 is
// none.
func within(t *testing.T, who string, r, most resources) {
	t.Helper()
	const mb = 1e6
	t.Logf("%-28s %5.1f MB resident, %4.1f MB proportional, %4.2f wake-ups a second", who, float64(r.resident)/mb, float64(r.proportional)/mb, r.wakeups)
	if r.resident > most.resident {
		t.Errorf("%s: %.1f MB resident, the budget is %.1f", who, float64(r.resident)/mb, float64(most.resident)/mb)
	}
	if most.proportional > 0 && r.proportional > most.proportional {
		t.Errorf("%s: %.1f MB proportional, the budget is %.1f", who, float64(r.proportional)/mb, float64(most.proportional)/mb)
	}
	if r.wakeups > most.wakeups {
		t.Errorf("%s: %.2f wake-ups a second, the budget is %.2f", who, r.wakeups, most.wakeups)
	}
}
