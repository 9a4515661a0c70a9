package cctest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// retry runs a job on those hosts of another where it ended so.
func retry(t *testing.T, c *cctest.Cluster, parent client.Job, outcomes ...string) client.Job {
	t.Helper()
	job, err := c.Client().Retry(t.Context(), parent.ID, outcomes, uptime())
	if err != nil {
		t.Fatalf("job %s is not retried: %v", parent.ID, err)
	}
	return job
}

func TestTheFailedAloneAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Second)
		c.Host("h2").Behaves(cctest.Doing{ExitCode: 1})
		c.Host("h5").Behaves(cctest.Doing{NoFile: true})
		parent := c.Settles(c.Run(everywhere(uptime())))
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{})
		}
		job := retry(t, c, parent, "FAILED")
		if job.ParentID != parent.ID || job.ID == parent.ID {
			t.Errorf("job %s retries %q", job.ID, job.ParentID)
		}
		wantOutcomes(t, c, c.Settles(job), map[string]string{"h2": "SUCCEEDED"})
		wantOutcomes(t, c, c.Settles(retry(t, c, parent)), all([]string{"h2", "h5"}, "SUCCEEDED"))
		if was := c.Job(parent.ID); was.Counts["FAILED"] != 1 || was.Counts["START_FAILED"] != 1 {
			t.Errorf("the parent has become %v", was.Counts)
		}
		wantStarts(t, c, 6+1+2)
	})
}

func TestARetryGoesToTheHostOfToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h2").Behaves(cctest.Doing{ExitCode: 1})
		parent := c.Settles(c.Run(everywhere(uptime())))
		before := c.Task(parent, "h2", "FAILED").Incarnation
		c.Host("h2").Behaves(cctest.Doing{})
		c.Host("h2").Wipe()
		c.Advance(time.Minute)
		c.Attached("h2")
		job := c.Settles(retry(t, c, parent))
		wantOutcomes(t, c, job, map[string]string{"h2": "SUCCEEDED"})
		if now := c.Task(job, "h2", "SUCCEEDED").Incarnation; now == before {
			t.Error("it went to the incarnation that is no more")
		}
	})
}

// What was not heard of may still run: it is retried only by name, and its host
// has the last word.
func TestAHostOnWhichTheParentStillRunsRefusesTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: -1})
		parent := c.Run(uptime("h1"))
		c.Task(parent, "h1", "RUNNING")
		if _, err := c.Client().Retry(t.Context(), parent.ID, []string{"RUNNING"}, uptime()); client.CodeOf(err) != client.Invalid {
			t.Errorf("what runs was retried: %v", err)
		}
		// Whoever signs a retry of what runs, by whatever tools, does not get it started.
		request := uptime("h1")
		targets, err := c.Client().Resolve(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		request.RetryOf = parent.ID
		signed, err := c.Client().Sign(request, targets)
		if err != nil {
			t.Fatal(err)
		}
		job, err := c.Client().Submit(t.Context(), signed)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, c, c.Settles(job), map[string]string{"h1": "REFUSED parent_lives"})
		wantStarts(t, c, 1)
		c.Cancel(parent)
		c.Settles(parent)
	})
}

func TestWhatWasNotHeardOfIsRetriedOnlyByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: 5 * time.Minute})
		request := uptime("h1")
		request.TTL, request.Deadline = 10*time.Minute, 20*time.Minute
		parent := c.Run(request)
		c.Task(parent, "h1", "RUNNING")
		c.Host("h1").Away()
		parent = c.SettlesWithin(parent, time.Hour)
		wantOutcomes(t, c, parent, map[string]string{"h1": "UNKNOWN still_running"})
		if _, err := c.Client().Retry(t.Context(), parent.ID, nil, uptime()); client.CodeOf(err) != client.Invalid {
			t.Errorf("UNKNOWN was retried without being named: %v", err)
		}
		job := retry(t, c, parent, "unknown")
		c.Host("h1").Back()
		wantOutcomes(t, c, c.SettlesWithin(job, time.Hour), map[string]string{"h1": "SUCCEEDED"}) // the parent has ended there
		c.Task(parent, "h1", "SUCCEEDED")
	})
}

func TestARetryThatCannotBeSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		parent := c.Settles(c.Run(everywhere(uptime())))
		both := uptime("h1")
		for what, x := range map[string]struct {
			parent  string
			request client.Request
			code    client.Code
		}{
			"nothing failed":             {parent.ID, uptime(), client.Invalid},
			"hosts are named too":        {parent.ID, both, client.Invalid},
			"a parent that there is not": {"01890000-0000-7000-8000-000000000000", uptime(), client.NotFound},
			"a parent that is none":      {"42", uptime(), client.Invalid},
		} {
			if _, err := c.Client().Retry(t.Context(), x.parent, nil, x.request); client.CodeOf(err) != x.code {
				t.Errorf("%s: %v, want %s", what, err, x.code)
			}
		}
	})
}

func TestACommandThatACrashOfItsHostLostIsStartedAgainIfThatWasSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		for _, attempts := range []int{1, 2} {
			c.Host("h1").Behaves(cctest.Doing{Takes: time.Minute})
			request := uptime("h1")
			request.Command.Attempts = attempts
			job := c.Run(request)
			c.Task(job, "h1", "RUNNING")
			c.Host("h1").Executor().Reboot()
			want := "LOST rebooted"
			if attempts > 1 {
				want = "SUCCEEDED"
			}
			job = c.Settles(job)
			wantOutcomes(t, c, job, map[string]string{"h1": want})
			if task := c.Tasks(job)[0]; task.Attempt != attempts {
				t.Errorf("it ended at attempt %d of %d", task.Attempt, attempts)
			}
		}
	})
}

func TestASummarySaysWhoIsSlowWhoIsSilentAndWhatIsEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Second)
		for _, h := range []string{"h1", "h2", "h3"} {
			c.Host(h).Behaves(cctest.Doing{Stdout: []byte("well\n"), Takes: time.Second})
		}
		c.Host("h4").Behaves(cctest.Doing{Stdout: []byte("ill\n"), ExitCode: 3, Takes: time.Minute})
		c.Host("h5").Behaves(cctest.Doing{Takes: time.Hour})
		c.Host("h6").Behaves(cctest.Doing{Takes: time.Hour})
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h4", "FAILED")
		c.Task(job, "h6", "RUNNING")
		c.Host("h6").Away()
		c.Detached("h6")
		c.Advance(time.Minute)
		check := func() client.Summary {
			t.Helper()
			s, err := c.Client().Summarize(t.Context(), job.ID)
			if err != nil {
				t.Fatal(err)
			}
			if s.GroupCount != 2 || len(s.Groups) != 2 || fmt.Sprint(s.Groups[0].Hosts) != "[h1 h2 h3]" || s.Groups[0].Count != 3 ||
				s.Groups[1].State != "FAILED" || s.Groups[1].ExitCode != 3 || s.Groups[1].Stdout.Size != 4 {
				t.Errorf("the groups are %+v", s.Groups)
			}
			if s.SilentCount != 1 || s.Silent[0].Host != "h6" || !s.Silent[0].Unreachable {
				t.Errorf("silent are %d: %+v", s.SilentCount, s.Silent)
			}
			return s
		}
		s := check()
		var slow []string
		for _, task := range s.Slowest {
			slow = append(slow, task.Host)
		}
		if fmt.Sprint(slow) != "[h5 h6 h4 h1 h2 h3]" || s.Slowest[0].Since.IsZero() || s.Silent[0].UnreachableSince.IsZero() {
			t.Errorf("the slowest are %v, %+v", slow, s.Slowest[0])
		}
		crashOwners(c)
		c.Task(job, "h5", "RUNNING")
		c.Advance(2 * time.Minute) // a new owner believes that a host is away when it has looked for it
		check()
		c.Host("h6").Back()
		c.Cancel(job)
		c.Settles(job)
	})
}
