package cctest_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/retention"
)

// anHour keeps jobs for an hour after they were done.
func anHour() retention.Config {
	cfg := retention.DefaultConfig()
	cfg.Age, cfg.Least = time.Hour, time.Minute
	return cfg
}

// wantGone fails unless whoever asks about a job is told that it was removed.
func wantGone(t *testing.T, c *cctest.Cluster, id string, output client.OutputRef) {
	t.Helper()
	_, get := c.Client().Job(t.Context(), id)
	_, explain := c.Client().Explain(t.Context(), id, "h1")
	_, cancel := c.Client().Cancel(t.Context(), id, client.Cancel{})
	_, retry := c.Try(client.Request{RetryOf: id, Command: client.Command{Argv: []string{"true"}}})
	errs := map[string]error{
		"get": get, "explain": explain, "cancel": cancel, "retry": retry,
		"output": c.Client().Output(t.Context(), id, output, io.Discard),
	}
	for _, err := range c.Client().Tasks(t.Context(), id, client.TaskFilter{}) {
		errs["tasks"] = err
	}
	for _, err := range c.Client().Watch(t.Context(), id, 0) {
		errs["watch"] = err
	}
	for _, what := range []string{"get", "explain", "cancel", "retry", "output", "tasks", "watch"} {
		if err := errs[what]; err == nil || client.CodeOf(err) != client.NotFound || !strings.Contains(err.Error(), "removed by retention on 2000-01-01T0") {
			t.Errorf("%s: %v, want that the job was removed, and when", what, err)
		}
	}
}

func listed(t *testing.T, c *cctest.Cluster) (ids []string) {
	t.Helper()
	for j, err := range c.Client().Jobs(t.Context(), client.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	return ids
}

func TestAJobIsRemovedWhenItsTimeHasComeAndItsHostsMayForgetIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Retention: anHour()})
		c.Host("h1").Behaves(cctest.Doing{Stdout: []byte("in time")})
		c.Host("h3").Behaves(cctest.Doing{Takes: time.Minute, Stdout: []byte("late")})
		first := c.Forge([]string{"h1", "h3"}, "uptime")
		first.Payload.NotAfter, first.Rollout.Deadline = time.Now().Add(10*time.Minute), time.Now().Add(15*time.Minute)
		if _, refused := c.Submit(first); refused.Err() != nil {
			t.Fatal(refused.Err())
		}
		id := first.Payload.JobID.String()
		c.Task(c.Job(id), "h3", "RUNNING")
		c.Host("h3").Away()
		long := uptime("h2") // that lives through all of this
		long.Deadline = 20 * time.Hour
		c.Host("h2").Behaves(cctest.Doing{Takes: 100 * time.Minute})
		lives := c.Run(long)

		job := c.SettlesWithin(c.Job(id), time.Hour)
		wantOutcomes(t, c, job, map[string]string{"h1": "SUCCEEDED", "h3": "UNKNOWN still_running"})
		output := c.Task(job, "h1", "SUCCEEDED").Stdout
		c.Advance(50 * time.Minute)
		if got := listed(t, c); !slices.Contains(got, id) {
			t.Error("it went too early")
		}
		c.Advance(25 * time.Minute)
		if got := listed(t, c); !slices.Equal(got, []string{lives.ID}) {
			t.Errorf("the list has %v, want only the job that lives", got)
		}
		wantGone(t, c, id, output)

		// The host has kept its word for a job that is gone; now it may forget it.
		if r, kept := c.Host("h3").Executor().Report(id); !kept || r.State != task.Succeeded {
			t.Fatalf("the host keeps %v, %v", r, kept)
		}
		c.Host("h3").Back()
		c.Attached("h3")
		c.Advance(time.Minute)
		if r, kept := c.Host("h3").Executor().Report(id); kept {
			t.Errorf("the host keeps its report of a job that is gone: %v", r)
		}
		wantGone(t, c, id, output) // late truth does not bring it back

		again := c.Forge([]string{"h1", "h3"}, "uptime")
		again.Payload.JobID = first.Payload.JobID
		for what, s := range map[string]*cctest.Submission{"the same body": first, "another body": again} {
			if _, refused := c.Submit(s); refused.Code() != codes.AlreadyExists || !strings.Contains(refused.Message(), "removed by retention on") {
				t.Errorf("its id was used again, with %s: %v", what, refused.Err())
			}
		}
		if n := c.Host("h1").Starts(); n != 1 {
			t.Errorf("h1 has started %d commands, want 1", n)
		}
		c.SettlesWithin(lives, 4*time.Hour)
	})
}

func TestAnotherSchedulerGoesOnRemovingWhatIsOldWhenOneIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 1, AggregatorsPerRoom: 1, Retention: anHour()})
		// One of the two groups has the scheduler that removes.
		for _, lost := range [][]string{{"scheduler-standard-1"}, {"scheduler-standard-2", "scheduler-critical-1"}} {
			job := c.Settles(c.Run(uptime("h1")))
			c.Crash(lost...)
			c.Advance(time.Hour + 5*time.Minute)
			if got := listed(t, c); slices.Contains(got, job.ID) {
				t.Errorf("without %v nobody has removed the job", lost)
			}
			c.Restart(lost...)
		}
	})
}
