package rig

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/client"
)

// Sh is a command that a shell carries out.
func Sh(script string) client.Command {
	return client.Command{Argv: []string{"sh", "-c", script}}
}

// Gate is a command that tells the witness that it has started, and ends with a
// status once the key has a line.
func Gate(w, key Witness, status string) client.Command {
	return Sh(w.Says("started") + "while [ ! -s " + key.Path + " ]; do sleep 0.05; done; exit " + status)
}

// Run submits a job on all hosts, unless the request names its targets.
func (c *Cluster) Run(t *testing.T, r client.Request) client.Job {
	t.Helper()
	if len(r.Hosts) == 0 && r.Selector == "" {
		r.All = true
	}
	j, err := c.SDK.Run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Settled waits until a job is done and returns its tasks by host.
func (c *Cluster) Settled(t *testing.T, id string) map[string]client.Task {
	t.Helper()
	Eventually(t, func() string {
		j, err := c.SDK.Job(t.Context(), id)
		if err != nil {
			return err.Error()
		}
		if !j.Done() {
			return fmt.Sprintf("job %s is %s: %v", id, j.State, j.Counts)
		}
		return ""
	})
	return c.Tasks(t, id)
}

// Tasks returns the tasks of a job by host.
func (c *Cluster) Tasks(t *testing.T, id string) map[string]client.Task {
	t.Helper()
	all := map[string]client.Task{}
	for task, err := range c.SDK.Tasks(t.Context(), id, client.TaskFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[task.Host]; twice {
			t.Errorf("host %s has two tasks in job %s", task.Host, id)
		}
		all[task.Host] = task
	}
	return all
}

// AwaitState waits until the task of a host is in one of the states.
func (c *Cluster) AwaitState(t *testing.T, id, host string, states ...string) client.Task {
	t.Helper()
	var last client.Task
	Eventually(t, func() string {
		missing := fmt.Sprintf("job %s has no task on %s", id, host)
		for task, err := range c.SDK.Tasks(t.Context(), id, client.TaskFilter{Host: host}) {
			if err != nil {
				return err.Error()
			}
			if last = task; slices.Contains(states, task.State) {
				return ""
			}
			missing = "its task is " + Word(task)
		}
		return missing
	})
	return last
}

// Output reads one output.
func (c *Cluster) Output(t *testing.T, id string, ref client.OutputRef) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := c.SDK.Output(t.Context(), id, ref, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Word is a task's state, with the reason, exit status and signal where there are any.
func Word(task client.Task) string {
	words := []string{task.State}
	if task.Reason != "" {
		words = append(words, task.Reason)
	}
	if task.State == "FAILED" && task.Signal == 0 {
		words = append(words, fmt.Sprint("status ", task.ExitCode))
	}
	if task.Signal != 0 {
		words = append(words, fmt.Sprint("signal ", task.Signal))
	}
	return strings.Join(words, " ")
}

// WantAll checks that each of n hosts ended in the same word.
func WantAll(t *testing.T, tasks map[string]client.Task, n int, word string) {
	t.Helper()
	if len(tasks) != n {
		t.Errorf("%d tasks, want %d", len(tasks), n)
	}
	for host, task := range tasks {
		if got := Word(task); got != word {
			t.Errorf("%s ended %s (%s), want %s", host, got, task.Message, word)
		}
	}
}

// AwaitPaused waits until a job is paused at a point, in a batch and with so many
// targets released, all of them settled.
func (c *Cluster) AwaitPaused(t *testing.T, id string, batch, released int) {
	t.Helper()
	Eventually(t, func() string {
		now, err := c.SDK.Job(t.Context(), id)
		if err != nil {
			return err.Error()
		}
		if now.State != "PAUSED" || now.PauseCause != "point" || now.Batch != batch || now.Released != released || now.InFlight != 0 {
			return fmt.Sprintf("job %s is %s %s in batch %d with %d released, %d in flight", now.ID, now.State, now.PauseCause, now.Batch, now.Released, now.InFlight)
		}
		return ""
	})
}
