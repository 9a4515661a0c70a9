package beating

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// written is how many lines a deed writes: together more than what goes with a
// report, so that its output takes the way of the large ones.
const written = 200

// deeds are commands that tell the world when they begin, and when and with
// which exit status they end. Each has a name that nobody else has, which its
// output consists of.
type deeds struct{ seen, key rig.Witness }

func newDeeds(t *testing.T) deeds {
	t.Helper()
	return deeds{rig.NewWitness(t), rig.NewWitness(t)}
}

// until waits for what the text says, and then ends.
func (d deeds) until(wait string) client.Command {
	return rig.Sh("read -r id </proc/sys/kernel/random/uuid; status=$(($$ % 5)); " + d.seen.Says("began:$id") + wait +
		fmt.Sprintf("; i=0; while [ $i -lt %d ]; do echo $i $id; i=$((i+1)); done; echo $id >&2; ", written) +
		d.seen.Says("ended:$id:$status") + "exit $status")
}

// gated ends once the key has more lines than deeds have ended: each line lets
// another one end.
func (d deeds) gated() client.Command {
	return d.until("while [ $(wc -l <" + d.key.Path + ") -le $(grep -c ^ended " + d.seen.Path + ") ]; do sleep 0.2; done")
}

// brief ends by itself.
func (d deeds) brief(seconds string) client.Command { return d.until("sleep " + seconds) }

// letOne lets one of those that are gated end, letAll all of them.
func (d deeds) letOne(t *testing.T) { t.Helper(); d.key.Add(t, "go") }

func (d deeds) letAll(t *testing.T) {
	t.Helper()
	d.key.Add(t, strings.Repeat("go\n", 1000))
}

// began and ended are what the world has seen: how often, by the deed's name,
// and the exit status of those that ended.
func (d deeds) world(t *testing.T) (began map[string]int, ended map[string][]int) {
	t.Helper()
	began, ended = map[string]int{}, map[string][]int{}
	for _, line := range d.seen.Lines(t) {
		word := strings.Split(line, ":")
		switch {
		case len(word) == 2 && word[0] == "began":
			began[word[1]]++
		case len(word) == 3 && word[0] == "ended":
			status, err := strconv.Atoi(word[2])
			if err != nil {
				t.Fatalf("the witness says %q", line)
			}
			ended[word[1]] = append(ended[word[1]], status)
		default:
			t.Fatalf("the witness says %q", line)
		}
	}
	return began, ended
}

// awaitBegun waits until n have begun, awaitEnded until n have ended.
func (d deeds) awaitBegun(t *testing.T, n int) {
	t.Helper()
	rig.Eventually(t, func() string {
		if began, _ := d.world(t); len(began) < n {
			return fmt.Sprintf("only %d of %d deeds have begun", len(began), n)
		}
		return ""
	})
}

func (d deeds) awaitEnded(t *testing.T, n int) {
	t.Helper()
	rig.Eventually(t, func() string {
		if _, ended := d.world(t); len(ended) < n {
			return fmt.Sprintf("only %d of %d deeds have ended", len(ended), n)
		}
		return ""
	})
}

// judge waits for the end of a job of n deeds and compares what CCS says of
// each task with what the world has seen.
func (d deeds) judge(t *testing.T, c *rig.Cluster, jobID string, n int) {
	t.Helper()
	tasks := c.Settled(t, jobID)
	began, ended := d.world(t)
	if len(tasks) != n || len(began) != n || len(ended) != n {
		t.Errorf("job %s: %d tasks, %d deeds have begun and %d ended, want %d of each", jobID, len(tasks), len(began), len(ended), n)
	}
	by := map[string]string{} // host by deed
	for host, task := range tasks {
		id := d.author(t, c, jobID, task)
		if id == "" {
			continue
		}
		if other, twice := by[id]; twice {
			t.Errorf("job %s: %s and %s have the same output", jobID, host, other)
		}
		by[id] = host
		if began[id] != 1 || len(ended[id]) != 1 {
			t.Errorf("job %s: on %s the deed %s has begun %d times and ended %d times", jobID, host, id, began[id], len(ended[id]))
			continue
		}
		want := "SUCCEEDED"
		if status := ended[id][0]; status != 0 {
			want = fmt.Sprintf("FAILED status %d", status)
		}
		if got := rig.Word(task); got != want || task.Attempt != 1 {
			t.Errorf("job %s: %s ended %s at attempt %d (%s), want %s", jobID, host, got, task.Attempt, task.Message, want)
		}
	}
}

// author is the deed that wrote a task's outputs, which must be whole.
func (d deeds) author(t *testing.T, c *rig.Cluster, jobID string, task client.Task) (id string) {
	t.Helper()
	if task.Stderr.Digest == "" {
		t.Errorf("job %s: %s ended %s (%s) and has no output", jobID, task.Host, rig.Word(task), task.Message)
		return ""
	}
	id = strings.TrimSpace(string(c.Output(t, jobID, task.Stderr)))
	var want strings.Builder
	for i := range written {
		fmt.Fprintln(&want, i, id)
	}
	if got := string(c.Output(t, jobID, task.Stdout)); got != want.String() {
		t.Errorf("job %s: %s wrote %d bytes, want %d of %s", jobID, task.Host, len(got), want.Len(), id)
	}
	return id
}
