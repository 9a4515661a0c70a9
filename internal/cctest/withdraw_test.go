package cctest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// keepRunning cancels a job but for what has started.
func keepRunning(t *testing.T, c *cctest.Cluster, j client.Job) client.Job {
	t.Helper()
	got, err := c.Client().Cancel(t.Context(), j.ID, client.Cancel{KeepRunning: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Wish != "withdraw" {
		t.Errorf("the wish is %q", got.Wish)
	}
	return got
}

// halfStarted is a job that runs on h1, is released to h2, which has just gone away
// and does not have it, and waits for the others.
func halfStarted(t *testing.T) (*cctest.Cluster, client.Job) {
	t.Helper()
	c := six(t, 10*time.Minute)
	c.Unplug("agent-h2") // and nobody has noticed
	job := c.Run(rolled(func(r *client.Request) { r.Concurrency = client.Amount{Count: 2} }))
	c.Task(job, "h1", "RUNNING")
	if lost := c.Task(job, "h2", "DISPATCHED"); lost.State != "DISPATCHED" {
		t.Fatalf("h2 is %+v", lost)
	}
	return c, job
}

func TestWhatIsReleasedAndHasNotStartedDoesNotStartAfterACancelThatKeepsWhatRuns(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("owners crash %t", crash), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, job := halfStarted(t)
				if got := keepRunning(t, c, job); got.State != "STOPPING" || got.Counts["SKIPPED"] != 4 {
					t.Errorf("canceled, it is %s with %v", got.State, got.Counts)
				}
				c.Detached("h2")
				c.Explains(job, "h2", "stopping", "not_confirmed", "host_away")
				c.Explains(job, "h1", "running", "stopping")
				if crash {
					crashOwners(c)
				}
				c.Plug("agent-h2")
				if got := c.Task(job, "h2", "CANCELED"); got.Reason != "before_start" {
					t.Errorf("on h2 it is CANCELED %s", got.Reason)
				}
				if n := c.Host("h2").Starts(); n != 0 {
					t.Errorf("h2 has started it %d times", n)
				}
				job = c.SettlesWithin(job, 15*time.Minute)
				want := all(c.Hosts(), "SKIPPED job_canceled")
				want["h1"], want["h2"] = "SUCCEEDED", "CANCELED before_start"
				wantOutcomes(t, c, job, want)
				wantStarts(t, c, 1)
			})
		})
	}
}

func TestASecondCancelKillsWhatTheFirstOneKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, job := halfStarted(t)
		keepRunning(t, c, job)
		c.Advance(time.Minute)
		c.Task(job, "h1", "RUNNING")
		if got := c.Cancel(job); got.Wish != "stop" || got.State != "STOPPING" {
			t.Errorf("canceled again, it is %s with the wish %q", got.State, got.Wish)
		}
		c.Plug("agent-h2")
		job = c.Settles(job)
		want := all(c.Hosts(), "SKIPPED job_canceled")
		want["h1"], want["h2"] = "CANCELED killed", "CANCELED before_start"
		wantOutcomes(t, c, job, want)
	})
}

// The executor may be away, or busy: what it has not begun it does not begin.
func TestWhatWaitsForItsExecutorDoesNotStartAfterACancelThatKeepsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		c.Host("h3").Executor().GoAway()
		c.Advance(5 * time.Second)
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h1", "RUNNING")
		keepRunning(t, c, job)
		c.Advance(30 * time.Second)
		c.Host("h3").Executor().ComeBack()
		want := all(c.Hosts(), "SUCCEEDED")
		want["h3"] = "CANCELED before_start"
		wantOutcomes(t, c, c.Settles(job), want)
		if n := c.Host("h3").Starts(); n != 0 {
			t.Errorf("h3 has started it %d times", n)
		}
	})
}
