package cctest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestAHostThatWaitsForItsBatchSaysWhichOneIsInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		job := c.Run(rolled(func(r *client.Request) { r.Batches = []client.Amount{{Count: 1}, {Count: 2}} }))
		c.Task(job, "h1", "RUNNING")
		wantText(t, c.Explains(job, "h2", "batch").Causes[0], "in batch 2", "batch 1 is in progress", "EXPIRED")
		wantText(t, c.Explains(job, "h6", "batch").Causes[0], "in batch 4")
		c.Task(job, "h2", "RUNNING")
		wantText(t, c.Explains(job, "h6", "batch").Causes[0], "in batch 4", "batch 2 is in progress")
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAHostBehindAPausePointSaysThatAUserMustResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		job := c.Run(rolled(func(r *client.Request) { r.PauseAfter = []uint32{2} }))
		c.Task(job, "h2", "RUNNING")
		wantText(t, c.Explains(job, "h3", "pause_point").Causes[0], "pauses after 2 targets", "2 of those have not settled")
		job = c.Paused(job, "point")
		reached := c.Explains(job, "h3", "pause_point").Causes[0]
		wantText(t, reached, "is paused since", "after 2 targets", "resume or cancel")
		if reached.Since.IsZero() || reached.Since.After(time.Now()) {
			t.Errorf("it is reached since %s", reached.Since)
		}
		crashOwners(c)
		if after := c.Explains(job, "h3", "pause_point").Causes[0]; after != reached {
			t.Errorf("it said %+v, and by the new owner %+v", reached, after)
		}
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAHostBehindABatchThatIsPausedAfterSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Second)
		job := c.Paused(c.Run(rolled(func(r *client.Request) {
			r.Batches, r.PauseAfterBatches = []client.Amount{{Count: 2}}, []uint32{1}
		})), "point")
		wantText(t, c.Explains(job, "h3", "pause_point").Causes[0], "after batch 1", "resume or cancel")
		wantText(t, c.Explains(job, "h5", "pause_point", "order").Causes[1], "2 targets stand before it")
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAHostOfAPausedJobSaysThatAUserPausedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		job := c.Run(rolled(func(r *client.Request) { r.Concurrency = client.Amount{Count: 1} }))
		c.Task(job, "h1", "RUNNING")
		c.Pause(job)
		c.Explains(job, "h1", "running") // what is released goes on
		wantText(t, c.Explains(job, "h2", "paused", "concurrency").Causes[0], "paused by a user since", "resume or cancel")
		c.Task(job, "h1", "SUCCEEDED")
		c.Explains(job, "h2", "paused")
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAHostThatTheFailureBudgetHoldsSaysWhatIsToleratedAndWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		c.Host("h1").Behaves(cctest.Doing{Takes: time.Minute, ExitCode: 1})
		job := c.Run(rolled(func(r *client.Request) { r.MaxFailures = &client.Budget{} }))
		c.Task(job, "h1", "RUNNING")
		wantText(t, c.Explains(job, "h2", "failure_budget").Causes[0], "tolerates 0 bad outcomes", "1 target at work")
		job = c.Paused(job, "budget")
		wantText(t, c.Explains(job, "h2", "failure_budget").Causes[0], "is spent since", "more bad outcomes (1) than are tolerated (0)", "resume or cancel")
		c.Cancel(job)
		c.Settles(job)
	})
}

func TestAHostThatIsSpreadSaysHowManyComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, time.Minute)
		job := c.Run(rolled(func(r *client.Request) { r.Order, r.Concurrency = client.SpreadRooms, client.Amount{Count: 1} }))
		c.Task(job, "h1", "RUNNING")
		c.Explains(job, "h4", "concurrency")
		wantText(t, c.Explains(job, "h2", "concurrency", "order").Causes[1], "1 target stands before it")
		wantText(t, c.Explains(job, "h3", "concurrency", "order").Causes[1], "3 targets stand before it")
		c.Cancel(job)
		c.Settles(job)
	})
}
