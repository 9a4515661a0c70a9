package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestACommandIsVerifiedStartedReportedAndForgotten(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("echo", "hello"))
		r := w.outcome(job, task.Succeeded, task.NoReason)
		if len(r.Inline) != 1 || string(r.Inline[0]) != "hello\n" || r.Ordinal != 1 {
			w.Errorf("ordinal %d came with %q", r.Ordinal, r.Inline)
		}
		w.startedOnce(job)
		w.pass(15 * time.Second)
		if have := w.aggs[0].lastBeat().GetHaveReply(); have == 0 {
			w.Error("the reply with the command was never taken over")
		}
		w.forget(job)
		if !w.host.Tombstone(job.cmd()) {
			w.Error("after Forget the executor still has it")
		}
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.resync = true })
		w.pass(time.Minute)
		if again := w.aggs[0].heard(job.id()); len(again) > 0 {
			w.Errorf("after Forget it is said again: %+v", again)
		}
	})
}

func TestAPingIsAnsweredWithoutAProcess(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.ping())
		w.outcome(job, task.Succeeded, task.NoReason)
		if _, known := w.host.Report(job.cmd()); known {
			w.Error("the executor has a record of a ping")
		}
		w.forget(job)
		w.aggs[0].forgetHeard()
		w.submit(job)
		w.outcome(job, task.Succeeded, task.NoReason)
	})
}

func TestACommandThatRunsIsReportedAsItGoes(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "60"))
		if r := w.said(job); r.Seen.State != task.Running {
			w.Errorf("it is %s", r.Seen.State)
		}
		w.pass(12 * time.Second)
		if hb := w.aggs[0].lastBeat(); hb.GetLiveCommands() != 1 {
			w.Errorf("%d commands live", hb.GetLiveCommands())
		}
		w.pass(time.Minute)
		w.outcome(job, task.Succeeded, task.NoReason)
		if hb := w.aggs[0].lastBeat(); hb.GetLiveCommands() != 0 {
			w.Errorf("%d commands live", hb.GetLiveCommands())
		}
	})
}

func TestADuplicateCommandNeverStartsTwice(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("sleep", "5")
		c := w.command(job)
		w.aggs[0].deliver(c, c)
		synctest.Wait()
		w.aggs[0].deliver(c)
		w.pass(20 * time.Second)
		w.aggs[0].forgetHeard()
		w.aggs[0].deliver(c)
		synctest.Wait()
		w.outcome(job, task.Succeeded, task.NoReason) // said again, because it was asked again
		w.startedOnce(job)
		w.forget(job)
		w.aggs[0].forgetHeard()
		w.aggs[0].deliver(c)
		w.pass(20 * time.Second)
		if again := w.aggs[0].heard(job.id()); len(again) != 1 || !again[0].PastW || !again[0].Forgotten {
			w.Errorf("released, and asked for again, it says %+v", again)
		}
		w.startedOnce(job)
	})
}

func TestAStopBeforeTheStartCancelsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("sleep", "60")
		c := w.command(job)
		c.Stop = true
		w.aggs[0].deliver(c)
		synctest.Wait()
		w.outcome(job, task.Canceled, task.BeforeStart)
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("it was started %d times", n)
		}
		ping := w.ping()
		c = w.command(ping)
		c.Stop = true
		w.aggs[0].deliver(c)
		synctest.Wait()
		w.outcome(ping, task.Canceled, task.BeforeStart)
	})
}

func TestAStopEndsWhatRuns(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "3600"))
		w.aggs[0].wishStop(job.id())
		synctest.Wait()
		w.outcome(job, task.Canceled, task.Killed)
		w.aggs[0].wishStop(w.run("true").id()) // of what is not known: nothing happens
		w.pass(15 * time.Second)
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() == 0 {
			w.Error("a stop of what is not known holds the acknowledgement up")
		}
	})
}

func TestAStopWithACommandThatRunsAlreadyEndsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "3600"))
		c := w.command(job)
		c.Stop = true
		w.aggs[0].deliver(c)
		synctest.Wait()
		w.outcome(job, task.Canceled, task.Killed)
	})
}

func TestWhatWasLostIsRerunWhereItsUserAllowsIt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("sleep", "30").rerun()
		w.submit(job)
		w.host.Reboot()
		synctest.Wait()
		w.outcome(job, task.Lost, task.Rebooted)
		w.aggs[0].deliver(w.attempt(job, 2))
		w.pass(time.Minute)
		r := w.outcome(job, task.Succeeded, task.NoReason)
		if r.Seen.Attempt != 2 || w.host.Starts(job.cmd(), 2) != 1 {
			w.Errorf("it ended with attempt %d", r.Seen.Attempt)
		}
		once := w.submit(w.run("sleep", "30"))
		w.host.Reboot()
		synctest.Wait()
		w.aggs[0].deliver(w.attempt(once, 2))
		w.pass(time.Minute)
		if r := w.outcome(once, task.Refused, task.Malformed); r.Seen.Attempt != 2 || w.host.Starts(once.cmd(), 2) != 0 {
			w.Errorf("an attempt that nobody signed: %+v", r.Seen)
		}
	})
}

// Only the owner of a job says Forget, and only of an outcome. A host does not
// rely on it: what runs is neither killed nor lost.
func TestAForgetOfWhatHasNotEndedIsIgnoredAndTold(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "60"))
		w.forget(job)
		if r, known := w.host.Report(job.cmd()); !known || r.State != task.Running {
			w.Errorf("the executor has %v, %s", known, r.State)
		}
		if n := w.alarms.Load(); n != 1 {
			w.Errorf("%d alarms", n)
		}
		w.pass(time.Minute)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.forget(job)
		if !w.host.Tombstone(job.cmd()) || w.alarms.Load() != 1 {
			w.Errorf("after its outcome: released %v, %d alarms", w.host.Tombstone(job.cmd()), w.alarms.Load())
		}
	})
}

func TestAForgetOfAnAttemptThatIsToBeFollowedIsIgnored(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "30").rerun())
		w.host.Reboot()
		synctest.Wait()
		w.outcome(job, task.Lost, task.Rebooted)
		w.host.GoAway()
		w.pass(time.Second)
		w.aggs[0].deliver(w.attempt(job, 2))
		w.forget(job)
		w.host.ComeBack()
		w.pass(time.Minute)
		if r := w.outcome(job, task.Succeeded, task.NoReason); r.Seen.Attempt != 2 || w.alarms.Load() != 1 {
			w.Errorf("it ended with attempt %d, %d alarms", r.Seen.Attempt, w.alarms.Load())
		}
	})
}

func TestACommandThatTheExecutorHasForgottenIsNoOutcome(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.SetPurged(time.Now().Add(24 * time.Hour))
		job := w.submit(w.run("true"))
		if r := w.said(job); !r.PastW {
			w.Errorf("it is reported as %+v", r.Seen)
		}
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("it was started %d times", n)
		}
		w.forget(job)
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.resync = true })
		w.pass(time.Minute)
		if again := w.aggs[0].heard(job.id()); len(again) > 0 {
			w.Errorf("after Forget it is said again: %+v", again)
		}
	})
}

func TestAFullExecutorIsAskedAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.SetRecords(0)
		job := w.submit(w.run("true"))
		w.pass(time.Minute)
		if all := w.aggs[0].heard(job.id()); len(all) != 0 {
			w.Errorf("it is reported as %+v", all)
		}
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() == 0 {
			w.Error("a command that is in the cache is not acknowledged")
		}
		w.host.SetRecords(10)
		w.pass(time.Minute)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.startedOnce(job)
	})
}

func TestAnAnswerOfAnEarlierAttemptDoesNotHideTheNext(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.slowStart = make(chan struct{})
		w.boot()
		job := w.submit(w.run("sleep", "30").rerun())
		w.host.Reboot()
		synctest.Wait()
		w.aggs[0].deliver(w.attempt(job, 2))
		synctest.Wait()
		close(w.slowStart)
		w.pass(time.Minute)
		if r := w.outcome(job, task.Succeeded, task.NoReason); r.Seen.Attempt != 2 {
			w.Errorf("it ended with attempt %d", r.Seen.Attempt)
		}
	})
}
