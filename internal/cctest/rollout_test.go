package cctest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// six is a cluster of two rooms, h1 to h3 and h4 to h6, where a command takes so
// long.
func six(t *testing.T, takes time.Duration) *cctest.Cluster {
	t.Helper()
	c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
	for _, h := range c.Hosts() {
		c.Host(h).Behaves(cctest.Doing{Takes: takes})
	}
	return c
}

// rolled is a job on all hosts with this rollout.
func rolled(change func(*client.Request)) client.Request {
	r := everywhere(uptime())
	change(&r)
	return r
}

// wantStarts checks on how many hosts something was started, by all witnesses.
func wantStarts(t *testing.T, c *cctest.Cluster, want int) {
	t.Helper()
	n := 0
	for _, h := range c.Hosts() {
		n += c.Host(h).Starts()
	}
	if n != want {
		t.Errorf("%d commands were started, want %d", n, want)
	}
}

// inBatches checks that no command of a batch began before the batch before it
// had ended.
func inBatches(t *testing.T, c *cctest.Cluster, j client.Job, sizes ...int) {
	t.Helper()
	var before time.Time
	tasks := c.Tasks(j)
	for i, size := range sizes {
		var last time.Time
		for _, task := range tasks[:size] {
			if task.StartedAt.Before(before) {
				t.Errorf("%s of batch %d began at %s, batch %d ended at %s", task.Host, i+1, task.StartedAt, i, before)
			}
			if task.EndedAt.After(last) {
				last = task.EndedAt
			}
		}
		before, tasks = last, tasks[size:]
	}
}

func crashOwners(c *cctest.Cluster) {
	c.Crash("scheduler-standard-1", "scheduler-standard-2")
	c.Advance(10 * time.Second)
	c.Restart("scheduler-standard-1", "scheduler-standard-2")
}

func TestABatchBeginsWhenTheOneBeforeHasSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		c.Host("h2").Behaves(cctest.Doing{Takes: time.Minute, ExitCode: 1}) // a failure settles too
		job := c.Run(rolled(func(r *client.Request) { r.Batches = []client.Amount{{Count: 1}, {Count: 2}, {Percent: 50}} }))
		if job.Batch != 1 || job.Batches != 3 {
			t.Errorf("it is in batch %d of %d", job.Batch, job.Batches)
		}
		c.Task(job, "h3", "SUCCEEDED")
		if now := c.Job(job.ID); now.Batch != 2 || now.Released != 3 {
			t.Errorf("it is in batch %d with %d released", now.Batch, now.Released)
		}
		job = c.Settles(job)
		inBatches(t, c, job, 1, 2, 3)
		if job.Counts["SUCCEEDED"] != 5 || job.Counts["FAILED"] != 1 {
			t.Errorf("it ended as %v", job.Counts)
		}
	})
}

func TestABatchAndTheConcurrencyBothBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Settles(c.Run(rolled(func(r *client.Request) {
			r.Batches, r.Concurrency = []client.Amount{{Count: 3}}, client.Amount{Count: 2}
		})))
		inBatches(t, c, job, 3, 3)
		if most := c.MostAtOnce(job); most != 2 {
			t.Errorf("%d ran at once", most)
		}
	})
}

func TestABatchDoesNotWaitForAHostThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		c.Host("h2").Away()
		c.Detached("h2")
		c.Advance(time.Minute)
		job := c.Run(rolled(func(r *client.Request) { r.Batches = []client.Amount{{Count: 2}} }))
		for _, h := range []string{"h1", "h3", "h4", "h5", "h6"} {
			c.Task(job, h, "SUCCEEDED")
		}
		if late := c.Task(job, "h2", "PENDING"); !late.Unreachable {
			t.Errorf("nothing says that h2 is away: %+v", late)
		}
		c.Host("h2").Back()
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestTargetsAreSpreadOverRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Settles(c.Run(rolled(func(r *client.Request) {
			r.Order, r.Concurrency = client.SpreadRooms, client.Amount{Count: 1}
		})))
		if got := fmt.Sprint(c.Started(job)); got != "[h1 h4 h2 h5 h3 h6]" {
			t.Errorf("they were started as %s", got)
		}
		job = c.Settles(c.Run(rolled(func(r *client.Request) { r.Concurrency = client.Amount{Count: 1} })))
		if got := fmt.Sprint(c.Started(job)); got != "[h1 h2 h3 h4 h5 h6]" {
			t.Errorf("as listed they were started as %s", got)
		}
	})
}

func TestAJobPausesAtItsPointsAndGoesAsFarAsAUserSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Run(rolled(func(r *client.Request) { r.PauseAfter = []uint32{1, 3, 5} }))
		if job.NextPauseAfter != 1 {
			t.Errorf("it pauses after %d", job.NextPauseAfter)
		}
		job = c.Paused(job, "point")
		c.Advance(time.Hour) // nothing goes on by itself
		wantStarts(t, c, 1)

		c.Resume(job, client.Resume{ToNextPoint: true})
		job = c.Paused(job, "point")
		wantStarts(t, c, 3)

		c.Resume(job, client.Resume{Targets: 1})
		job = c.Paused(job, "point")
		wantStarts(t, c, 4)
		if job.Released != 4 || job.InFlight != 0 {
			t.Errorf("%d are released, %d in flight", job.Released, job.InFlight)
		}

		c.Resume(job, client.Resume{}) // past the last point
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
		wantStarts(t, c, 6)
	})
}

func TestAJobPausesAfterABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Paused(c.Run(rolled(func(r *client.Request) {
			r.Batches, r.PauseAfterBatches = []client.Amount{{Count: 2}}, []uint32{1, 2}
		})), "point")
		wantStarts(t, c, 2)
		c.Resume(job, client.Resume{ToNextPoint: true})
		job = c.Paused(job, "point")
		wantStarts(t, c, 4)
		c.Resume(job, client.Resume{ToNextPoint: true}) // there is none: to the end
		inBatches(t, c, c.Settles(job), 2, 2, 2)
	})
}

func TestAUserPausesAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Run(rolled(func(r *client.Request) { r.Concurrency = client.Amount{Count: 1} }))
		c.Task(job, "h2", "RUNNING")
		job = c.Pause(job)
		if job.State != "PAUSED" || job.PauseCause != "user" {
			t.Errorf("it is %s %s", job.State, job.PauseCause)
		}
		c.Task(job, "h2", "SUCCEEDED") // what is released goes on
		c.Advance(time.Hour)
		wantStarts(t, c, 2)
		if again := c.Pause(job); again.State != "PAUSED" || again.PauseCause != "user" {
			t.Errorf("paused twice it is %s %s", again.State, again.PauseCause)
		}
		c.Resume(job, client.Resume{})
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
		if _, err := c.Client().Resume(t.Context(), job.ID, client.Resume{}); client.CodeOf(err) != client.WrongState {
			t.Errorf("a job that is done is resumed: %v", err)
		}
	})
}

func TestTheSameResumeTwiceReleasesOnceAlsoOverACrashOfItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Paused(c.Run(rolled(func(r *client.Request) { r.PauseAfter = []uint32{1} })), "point")
		how := client.Resume{RequestID: "resume-of-the-test-1", ExpectedControlRevision: job.ControlRevision, Targets: 2}
		again := func() {
			t.Helper()
			now := c.Resume(job, how)
			if now.Released != 3 || now.State != "PAUSED" {
				t.Errorf("again it is %s with %d released", now.State, now.Released)
			}
			c.Advance(time.Minute)
			wantStarts(t, c, 3)
		}
		c.Resume(job, how)
		c.Paused(job, "point")
		again()
		crashOwners(c)
		again()

		other := how
		other.RequestID = "resume-of-the-test-2" // it has not seen what the first has done
		if _, err := c.Client().Resume(t.Context(), job.ID, other); client.CodeOf(err) != client.Conflict {
			t.Errorf("a resume that has not seen the first: %v", err)
		}
		other.RequestID, other.Targets = how.RequestID, 3
		if _, err := c.Client().Resume(t.Context(), job.ID, other); client.CodeOf(err) != client.Conflict {
			t.Errorf("another resume under the same id: %v", err)
		}
		c.Cancel(job)
		c.Settles(job)
		wantStarts(t, c, 3)
	})
}

func TestAResumeWhoseAnswerIsLostReleasesOnce(t *testing.T) {
	for _, applied := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := six(t, 10*time.Second)
			job := c.Paused(c.Run(rolled(func(r *client.Request) { r.PauseAfter = []uint32{1} })), "point")
			c.CommitFails(applied)
			c.Resume(job, client.Resume{Targets: 2}) // the SDK repeats it under one id
			job = c.Paused(job, "point")
			if job.Released != 3 {
				t.Errorf("%d are released", job.Released)
			}
			c.Resume(job, client.Resume{})
			c.Settles(job)
		})
	}
}

func TestAFailureBudgetPausesAJobAndIsNeverOvershot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 10 * time.Second, ExitCode: 1})
		}
		job := c.Paused(c.Run(rolled(func(r *client.Request) { r.MaxFailures = &client.Budget{Count: 1} })), "budget")
		if job.Bad != 2 || job.Tolerates != 1 || job.MaxFailures == nil {
			t.Errorf("it tolerates %d and has %d", job.Tolerates, job.Bad)
		}
		c.Advance(time.Hour)
		wantStarts(t, c, 2) // one more than is tolerated
		c.Resume(job, client.Resume{ExpectedControlRevision: job.ControlRevision})
		job = c.Paused(job, "budget") // what was bad before is forgiven, and as much is tolerated again
		wantStarts(t, c, 4)
		if job.Bad != 2 || job.Counts["FAILED"] != 4 {
			t.Errorf("it counts %d of %v", job.Bad, job.Counts)
		}
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAFailureBudgetAbortsAJobAndIsNeverOvershot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		c.Host("h2").Behaves(cctest.Doing{Takes: 10 * time.Second, ExitCode: 1})
		job := c.Settles(c.Run(rolled(func(r *client.Request) {
			r.MaxFailures, r.OnFailure = &client.Budget{}, client.AbortOnFailure
		})))
		want := all(c.Hosts(), "SKIPPED aborted")
		want["h1"], want["h2"] = "SUCCEEDED", "FAILED"
		wantOutcomes(t, c, job, want)
		wantStarts(t, c, 2) // with a budget of none one runs at a time
	})
}

func TestWhatTheUserToleratesIsNotBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		c.Host("h1").Behaves(cctest.Doing{ExitCode: 1})
		c.Host("h2").Behaves(cctest.Doing{NoFile: true})
		job := c.Paused(c.Run(rolled(func(r *client.Request) {
			r.MaxFailures, r.Tolerated = &client.Budget{}, []string{"failed"}
		})), "budget")
		if job.Bad != 1 || job.Counts["FAILED"] != 1 || job.Counts["START_FAILED"] != 1 {
			t.Errorf("it counts %d of %v", job.Bad, job.Counts)
		}
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAPausedJobIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 10*time.Second)
		job := c.Paused(c.Run(rolled(func(r *client.Request) { r.PauseAfter = []uint32{2} })), "point")
		c.Cancel(job)
		job = c.Settles(job)
		want := all(c.Hosts(), "SKIPPED job_canceled")
		want["h1"], want["h2"] = "SUCCEEDED", "SUCCEEDED"
		wantOutcomes(t, c, job, want)
		if job.PauseCause != "" {
			t.Errorf("it is still paused by %s", job.PauseCause)
		}
	})
}

// A new owner goes on where the one before was: in its batch, before its pause
// point, with what of its budget is spent.
func TestATakeOverKeepsBatchPausePointAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 30*time.Second)
		c.Host("h1").Behaves(cctest.Doing{Takes: 10 * time.Second, ExitCode: 1})
		job := c.Run(rolled(func(r *client.Request) {
			r.Batches, r.PauseAfter = []client.Amount{{Count: 2}}, []uint32{3}
			r.MaxFailures = &client.Budget{Count: 1}
		}))
		c.Task(job, "h3", "RUNNING") // in batch 2, and the only one before the point
		before := c.Job(job.ID)
		crashOwners(c)
		c.Task(job, "h3", "RUNNING")
		after := c.Job(job.ID)
		for _, j := range []client.Job{before, after} {
			if j.Batch != 2 || j.NextPauseAfter != 3 || j.Released != 3 || j.Bad != 1 || j.ControlRevision != before.ControlRevision {
				t.Errorf("it is in batch %d, %d released, pauses after %d, with %d bad, at control revision %d",
					j.Batch, j.Released, j.NextPauseAfter, j.Bad, j.ControlRevision)
			}
		}
		job = c.Paused(job, "point")
		crashOwners(c)
		if now := c.Paused(job, "point"); now.ControlRevision != job.ControlRevision || now.Released != 3 {
			t.Errorf("paused it was at %+v, and after a take-over at %+v", job, now)
		}
		wantStarts(t, c, 3)
		for _, h := range []string{"h4", "h5", "h6"} {
			c.Host(h).Behaves(cctest.Doing{Takes: 10 * time.Second, ExitCode: 1})
		}
		c.Resume(job, client.Resume{})
		job = c.Paused(job, "budget") // h4 is the second bad one
		wantStarts(t, c, 4)
		crashOwners(c)
		c.Paused(job, "budget")
		c.Cancel(job)
		job = c.Settles(job)
		inBatches(t, c, job, 2, 2)
		if !slices.Equal(c.Started(job), []string{"h1", "h2", "h3", "h4"}) {
			t.Errorf("started were %v", c.Started(job))
		}
	})
}
