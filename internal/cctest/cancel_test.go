package cctest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestACancelSkipsWhatIsNotReleasedAndKillsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Hour})
		}
		request := everywhere(uptime())
		request.Concurrency.Count = 2
		job := c.Run(request)
		c.Task(job, "h1", "RUNNING")
		c.Task(job, "h2", "RUNNING")
		began := time.Now()
		c.Cancel(job)
		job = c.Settles(job)
		wantOutcomes(t, c, job, map[string]string{
			"h1": "CANCELED killed", "h2": "CANCELED killed", "h3": "SKIPPED job_canceled", "h4": "SKIPPED job_canceled",
		})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the cancel took %s", took)
		}
		for _, h := range []string{"h3", "h4"} {
			if n := c.Host(h).Starts(); n != 0 {
				t.Errorf("%s started it", h)
			}
		}
	})
}

func TestACancelReachesAHostThatIsAwayBeforeItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Unplug("agent-h1") // nobody knows yet, so it is released to it
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h4", "SUCCEEDED")
		c.Task(job, "h1", "DISPATCHED")
		c.Cancel(job)
		c.Advance(time.Minute)
		c.Plug("agent-h1")
		job = c.Settles(job)
		want := all(c.Hosts(), "SUCCEEDED")
		want["h1"] = "CANCELED before_start"
		wantOutcomes(t, c, job, want)
		if n := c.Host("h1").Starts(); n != 0 {
			t.Errorf("h1 started it")
		}
	})
}

func TestTheSameCancelTwiceIsOneCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: time.Hour})
		job := c.Run(uptime("h1"))
		c.Task(job, "h1", "RUNNING")
		how := client.Cancel{RequestID: "cancel-of-the-test-1", ExpectedControlRevision: job.ControlRevision}
		first, err := c.Client().Cancel(t.Context(), job.ID, how)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.Client().Cancel(t.Context(), job.ID, how)
		if err != nil || again.ControlRevision != first.ControlRevision {
			t.Errorf("the same request again: %v, control revision %d after %d", err, again.ControlRevision, first.ControlRevision)
		}
		how.RequestID = "cancel-of-the-test-2"
		if _, err := c.Client().Cancel(t.Context(), job.ID, how); client.CodeOf(err) != client.Conflict {
			t.Errorf("another request that has not seen the first: %v", err)
		}
		wantOutcomes(t, c, c.Settles(job), map[string]string{"h1": "CANCELED killed"})
	})
}
