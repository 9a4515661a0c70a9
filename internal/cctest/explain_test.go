package cctest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// wantText checks that a sentence says all of this to a person.
func wantText(t *testing.T, c client.Cause, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(c.Text, w) {
			t.Errorf("%s does not say %q: %s", c.Code, w, c.Text)
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func TestAHostThatWaitsForItsTurnSaysWhoIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Minute})
		}
		request := everywhere(uptime())
		request.Concurrency.Count = 2
		job := c.Run(request)
		c.Task(job, "h2", "RUNNING")
		third := c.Explains(job, "h3", "concurrency").Causes[0]
		wantText(t, third, "2 of at most 2", stamp(job.StartBy), "EXPIRED")
		if !third.Until.Equal(job.StartBy) || third.Since.Before(job.CreatedAt) || third.Since.After(time.Now()) {
			t.Errorf("it holds from %s until %s", third.Since, third.Until)
		}
		fifth := c.Explains(job, "h5", "concurrency", "order")
		wantText(t, fifth.Causes[1], "2 targets")
		if fifth.Task.State != "PENDING" || fifth.Job.InFlight != 2 {
			t.Errorf("the task is %s, %d are in flight", fifth.Task.State, fifth.Job.InFlight)
		}
		c.Settles(job)
	})
}

func TestAHostThatIsAwaySaysSinceWhenAndUntilWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		via := c.Via("h3")
		c.Advance(time.Minute)
		left := time.Now()
		c.Host("h3").Away()
		c.Detached("h3")
		c.Advance(10 * time.Minute)
		job := c.Run(everywhere(uptime()))
		away := c.Explains(job, "h3", "host_away").Causes[0]
		if early, late := left.Add(-time.Second), left.Add(time.Minute); away.Since.Before(early) || away.Since.After(late) {
			t.Errorf("it has gone at %s and says %s", left, away.Since)
		}
		if !away.Until.Equal(job.StartBy) {
			t.Errorf("it ends at %s, and the start-by is %s", away.Until, job.StartBy)
		}
		wantText(t, away, via, "agent", stamp(job.StartBy))
		c.Host("h3").Back()
		c.Settles(job)
		c.Explains(job, "h3", "settled")
	})
}

func TestACommandThatRunsSaysSinceWhenAndWhatEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: 10 * time.Minute})
		request := uptime("h1")
		request.Command.Timeout = time.Hour
		job := c.Run(request)
		began := time.Now()
		running := c.Explains(job, "h1", "running").Causes[0]
		if running.Since.Before(began.Add(-time.Second)) || running.Since.After(time.Now()) || !running.Until.After(job.StartBy) {
			t.Errorf("it runs from %s to %s at the latest", running.Since, running.Until)
		}
		wantText(t, running, "timeout is 1h", stamp(running.Since.Add(time.Hour)))

		c.Host("h1").Away()
		c.Detached("h1")
		away := c.Explains(job, "h1", "running", "host_away")
		wantText(t, away.Causes[1], "goes on there")
		c.Host("h1").Back()
		c.Explains(job, "h1", "running")
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestACommandPastItsTimeoutSaysThatItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: 10 * time.Minute})
		request := uptime("h1")
		request.Command.Timeout, request.Command.TimeoutAction = time.Minute, client.Report
		job := c.Run(request)
		c.Explains(job, "h1", "running")
		overdue := c.Explains(job, "h1", "overdue", "running")
		if at := overdue.Causes[1].Since.Add(time.Minute); !overdue.Causes[0].Since.Equal(at) || !overdue.Task.Overdue {
			t.Errorf("it is overdue since %s, and should be since %s: %+v", overdue.Causes[0].Since, at, overdue.Task)
		}
		wantText(t, overdue.Causes[0], "only reports", "Cancel")
		c.SettlesWithin(job, time.Hour)
		wantText(t, c.Explains(job, "h1", "settled").Causes[0], "SUCCEEDED")
	})
}

func TestATaskThatIsSettledSaysHow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Away: []string{"h4"}})
		c.Detached("h4")
		c.Host("h1").Behaves(cctest.Doing{ExitCode: 42})
		c.Host("h2").Behaves(cctest.Doing{NoFile: true})
		request := everywhere(uptime())
		request.TTL = 10 * time.Minute
		job := c.SettlesWithin(c.Run(request), time.Hour)
		failed := c.Explains(job, "h1", "settled")
		wantText(t, failed.Causes[0], "FAILED, exit status 42")
		if !failed.Causes[0].Since.Equal(failed.Task.EndedAt) || failed.Task.ExitCode != 42 {
			t.Errorf("it ended at %s and says %s", failed.Task.EndedAt, failed.Causes[0].Since)
		}
		wantText(t, c.Explains(job, "h2", "settled").Causes[0], "START_FAILED (no_file")
		wantText(t, c.Explains(job, "h4", "settled").Causes[0], "EXPIRED (start_by_passed", "concluded")

		c.Advance(10 * time.Minute) // the job is out of memory
		if again := c.Explains(job, "h1", "settled"); again.Causes[0] != failed.Causes[0] {
			t.Errorf("it said %+v, and from the store %+v", failed.Causes[0], again.Causes[0])
		}
	})
}

func TestATaskThatWasNotHeardOfSaysThatALateOutcomeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: 5 * time.Minute})
		request := uptime("h1")
		request.TTL, request.Deadline = 10*time.Minute, 20*time.Minute
		job := c.Run(request)
		c.Task(job, "h1", "RUNNING")
		c.Host("h1").Away()
		c.Detached("h1")
		c.Explains(job, "h1", "running", "host_away")
		job = c.SettlesWithin(job, time.Hour)
		late := c.Explains(job, "h1", "awaits_late_outcome", "stopping", "host_away")
		if want := job.Deadline.Add(40 * time.Second); !late.Causes[0].Since.Equal(want) || !late.Causes[0].Until.IsZero() {
			t.Errorf("it is settled since %s, want %s", late.Causes[0].Since, want)
		}
		wantText(t, late.Causes[0], "UNKNOWN (still_running", "Look at the host")
		c.Host("h1").Back()
		wantText(t, c.Explains(job, "h1", "settled").Causes[0], "SUCCEEDED")
	})
}

// What is in no store the new owner does not know: since when the concurrency is
// reached and since when a host that it has never seen is away.
func TestANewOwnerGivesTheSameExplanation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3, Away: []string{"h6"}})
		c.Detached("h6")
		for _, h := range []string{"h2", "h3", "h4"} {
			c.Host(h).Behaves(cctest.Doing{Takes: 30 * time.Minute})
		}
		c.Host("h1").Behaves(cctest.Doing{ExitCode: 3})
		request := everywhere(uptime())
		request.Command.Timeout, request.Command.TimeoutAction = time.Minute, client.Report
		request.Concurrency.Count = 3
		job := c.Run(request)
		codes := map[string][]string{
			"h1": {"settled"}, "h2": {"overdue", "running"}, "h4": {"overdue", "running"},
			"h5": {"concurrency"}, "h6": {"concurrency", "order", "host_away"},
		}
		before := map[string]client.Explanation{}
		for _, h := range slices.Sorted(maps.Keys(codes)) { // those who wait, when who is before them has begun
			before[h] = c.Explains(job, h, codes[h]...)
		}
		c.Crash("scheduler-standard-1", "scheduler-standard-2")
		c.Advance(10 * time.Second)
		c.Restart("scheduler-standard-1", "scheduler-standard-2")
		for h, want := range codes {
			after := c.Explains(job, h, want...)
			for i, cause := range after.Causes {
				was := before[h].Causes[i]
				if cause.Code == "concurrency" || cause.Code == "host_away" {
					was.Since, was.Text, cause.Text = time.Time{}, "", ""
				}
				if cause != was {
					t.Errorf("%s said\n  %+v, and by the new owner\n  %+v", h, was, cause)
				}
			}
		}
		c.Cancel(job)
		c.SettlesWithin(job, time.Hour)
	})
}

func TestWhatCannotBeExplainedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		job := c.Settles(c.Run(uptime("h1")))
		for _, x := range []struct {
			what, job, host string
			code            client.Code
			says            string
		}{
			{"a host that is no target", job.ID, "h2", client.NotFound, `host "h2" is not a target`},
			{"a host that nobody knows", job.ID, "h99", client.NotFound, `host "h99" is not a target`},
			{"no host", job.ID, "", client.Invalid, "no host is named"},
			{"an id that is none", "42", "h1", client.Invalid, "42"},
			{"a job that there is not", "01890000-0000-7000-8000-000000000000", "h1", client.NotFound, "not found"},
		} {
			_, err := c.Client().Explain(t.Context(), x.job, x.host)
			if client.CodeOf(err) != x.code || err == nil || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%s: %v, want %q", x.what, err, x.says)
			}
		}
		byAddress, err := c.Client().Explain(t.Context(), job.ID, "10.1.0.1")
		if err != nil || byAddress.Task.Host != "h1" {
			t.Errorf("by its address: %+v, %v", byAddress, err)
		}
	})
}
