package beating

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// follower follows a job with the SDK's watch and finds fault with it.
type follower struct {
	done chan struct{} // closed when the watch has ended

	mu       sync.Mutex // protects what follows
	complete uint64     // everything up to this revision was told
	heard    map[string]client.Task
	faults   []string
	over     bool // the job is
}

// follow follows a job until it is done, in a goroutine that the test waits for.
func follow(t *testing.T, sdk *client.Client, jobID string) *follower {
	t.Helper()
	f := newFollower()
	go f.run(t.Context(), sdk, jobID)
	t.Cleanup(func() { <-f.done })
	return f
}

func newFollower() *follower {
	return &follower{done: make(chan struct{}), heard: map[string]client.Task{}}
}

// run follows a job until it is done.
func (f *follower) run(ctx context.Context, sdk *client.Client, jobID string) {
	defer close(f.done)
	for u, err := range sdk.Watch(ctx, jobID, 0) {
		f.hear(u, err)
	}
}

func (f *follower) hear(u client.Update, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.faults = append(f.faults, "it ended with: "+err.Error())
		return
	}
	if u.Revision != 0 && u.Revision < f.complete {
		f.faults = append(f.faults, fmt.Sprintf("it went back from revision %d to %d", f.complete, u.Revision))
	}
	for _, task := range u.Tasks {
		if old, known := f.heard[task.Host]; known && old.Revision <= f.complete {
			f.faults = append(f.faults, fmt.Sprintf("it said that %s ended %s, which was complete, and then %s", task.Host, rig.Word(old), rig.Word(task)))
		}
		f.heard[task.Host] = task
	}
	f.complete = max(f.complete, u.Revision)
	f.over = u.Job.Done()
}

// await waits until the ends of n tasks have been heard.
func (f *follower) await(t *testing.T, n int) {
	t.Helper()
	rig.Eventually(t, func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.heard) < n {
			return fmt.Sprintf("the watch has told of %d tasks, not of %d; its faults: %v", len(f.heard), n, f.faults)
		}
		return ""
	})
}

// judge waits for the end of the watch and checks that it told what is so.
func (f *follower) judge(t *testing.T, c *rig.Cluster, jobID string) {
	t.Helper()
	rig.Eventually(t, func() string {
		select {
		case <-f.done:
			return ""
		default:
			return "the watch has not ended"
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.faults {
		t.Errorf("the watch of job %s: %s", jobID, fault)
	}
	if !f.over {
		t.Errorf("the watch of job %s never said that the job is done", jobID)
	}
	tasks := c.Tasks(t, jobID)
	for host, task := range tasks {
		if got, want := rig.Word(f.heard[host]), rig.Word(task); got != want {
			t.Errorf("the watch of job %s told of %s: %q, which ended %s", jobID, host, got, want)
		}
	}
	if len(f.heard) != len(tasks) {
		t.Errorf("the watch of job %s told of %d tasks, of %d", jobID, len(f.heard), len(tasks))
	}
}
