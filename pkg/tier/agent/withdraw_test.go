package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestAWithdrawalBeforeTheStartCancelsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		for _, job := range []*ask{w.run("sleep", "60"), w.ping()} {
			c := w.command(job)
			c.Withdraw = true
			w.aggs[0].deliver(c)
			synctest.Wait()
			w.outcome(job, task.Canceled, task.BeforeStart)
			if n := w.host.Starts(job.cmd(), 1); n != 0 {
				w.Errorf("it was started %d times", n)
			}
		}
	})
}

func TestAWithdrawalLeavesWhatRunsAlone(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "60"))
		w.aggs[0].wishWithdraw(job.id())
		c := w.command(job)
		c.Withdraw = true
		w.aggs[0].deliver(c)
		synctest.Wait()
		if r := w.said(job); r.Seen.State != task.Running {
			w.Errorf("it is %s", r.Seen.State)
		}
		w.aggs[0].wishWithdraw(w.run("true").id()) // of what is not known: nothing happens
		w.pass(15 * time.Second)
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() == 0 {
			w.Error("a withdrawal of what is not known holds the acknowledgement up")
		}
		w.pass(time.Minute)
		w.outcome(job, task.Succeeded, task.NoReason)
		if n := w.host.Calls("Signal"); n != 0 {
			w.Errorf("the executor was told to stop %d times", n)
		}
	})
}

func TestAStopAfterAWithdrawalEndsWhatRuns(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "3600"))
		w.aggs[0].wishWithdraw(job.id())
		synctest.Wait()
		w.aggs[0].wishStop(job.id())
		synctest.Wait()
		w.outcome(job, task.Canceled, task.Killed)
	})
}

func TestAWithdrawalWhileTheExecutorIsAwayIsNotForgotten(t *testing.T) {
	for _, crash := range []bool{false, true} {
		inWorld(t, 1, func(w *world) {
			w.boot()
			w.host.GoAway()
			w.pass(time.Second)
			job := w.submit(w.run("true"))
			w.aggs[0].wishWithdraw(job.id())
			synctest.Wait()
			if crash {
				w.crash()
				w.boot()
			}
			w.host.ComeBack()
			w.pass(10 * time.Second)
			w.outcome(job, task.Canceled, task.BeforeStart)
			if n := w.host.Starts(job.cmd(), 1); n != 0 {
				w.Errorf("it was started %d times", n)
			}
		})
	}
}

// The executor may have started it although the agent does not know so: its record
// decides.
func TestAWithdrawalOfWhatTheExecutorHasStartedMeanwhileLetsItGoOn(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submit(w.run("sleep", "60"))
		w.aggs[0].wishWithdraw(job.id())
		w.crash()
		w.host.ComeBack()
		w.startBehindTheAgent(job)
		w.boot()
		w.pass(2 * time.Minute)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.startedOnce(job)
	})
}

// An executor of the version before does not know the wish. It is neither told to
// start what is withdrawn, nor to stop what runs; upgraded, it obeys.
func TestAnExecutorThatDoesNotKnowTheWishGetsNothingHarmful(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.KnowsWithdrawals(false)
		runs := w.submit(w.run("sleep", "600"))
		job := w.run("sleep", "60")
		c := w.command(job)
		c.Withdraw = true
		w.aggs[0].deliver(c)
		w.aggs[0].wishWithdraw(runs.id())
		w.pass(2 * time.Minute)
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("what is withdrawn was started %d times", n)
		}
		if r := w.said(runs); r.Seen.State != task.Running {
			w.Errorf("what runs is %s", r.Seen.State)
		}
		w.host.KnowsWithdrawals(true)
		w.pass(time.Minute)
		w.outcome(job, task.Canceled, task.BeforeStart)
	})
}
