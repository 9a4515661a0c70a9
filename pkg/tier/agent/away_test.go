package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

func TestACommandThatComesWhileTheExecutorIsAwayStartsWhenItIsBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(15 * time.Second)
		if !w.aggs[0].lastBeat().GetExecutorAway() {
			w.Error("nobody is told that the executor is away")
		}
		job := w.submit(w.run("true"))
		w.pass(15 * time.Second)
		if all := w.aggs[0].heard(job.id()); len(all) != 0 {
			w.Errorf("it is reported as %+v", all[0].Seen)
		}
		if w.aggs[0].lastBeat().GetHaveReply() == 0 {
			w.Error("a command in the cache is not acknowledged")
		}
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.startedOnce(job)
		if names, _ := w.state.List("copy-"); len(names) != 0 {
			w.Errorf("the cache still has %v", names)
		}
	})
}

func TestACommandThatWaitedTooLongForTheExecutorExpires(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submit(w.run("true"))
		w.pass(2 * time.Hour)
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(job, task.Expired, task.StartByPassed)
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("it was started %d times", n)
		}
	})
}

func TestAStopWhileTheExecutorIsAwayIsNotForgotten(t *testing.T) {
	for _, crash := range []bool{false, true} {
		inWorld(t, 1, func(w *world) {
			w.boot()
			w.host.GoAway()
			w.pass(time.Second)
			job := w.submit(w.run("true"))
			w.aggs[0].wishStop(job.id())
			synctest.Wait()
			if crash {
				w.crash()
				w.boot()
			}
			w.host.ComeBack()
			w.pass(10 * time.Second)
			w.outcome(job, task.Canceled, task.BeforeStart)
		})
	}
}

func TestAForgetWhileTheExecutorIsAwayIsCarriedOutLater(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("true"))
		w.host.GoAway()
		w.pass(time.Second)
		w.forget(job)
		w.host.ComeBack()
		w.pass(10 * time.Second)
		if !w.host.Tombstone(job.cmd()) {
			w.Error("the executor was never told")
		}
	})
}

func TestWhatRunsEndsWhileTheExecutorIsAwayAndIsReported(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sleep", "30"))
		w.host.GoAway()
		w.pass(time.Minute)
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
	})
}

func TestAnAgentIsInSessionBeforeItsExecutorIsUp(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot() // the first time it needs the executor, for its incarnation
		done := w.submit(w.run("true"))
		w.crash()
		w.host.GoAway()
		w.aggs[0].forgetHeard()
		w.boot()
		w.pass(time.Minute)
		hb := w.aggs[0].lastBeat()
		if hb == nil || !hb.GetExecutorAway() {
			w.Fatalf("the last heartbeat is %v", hb)
		}
		for _, b := range w.aggs[0].seen().beats {
			if b.GetResyncComplete() {
				w.Error("it says that it has said everything, and cannot know")
			}
		}
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(done, task.Succeeded, task.NoReason)
		w.startedOnce(done)
		complete := 0
		for _, b := range w.aggs[0].seen().beats {
			if b.GetResyncComplete() {
				complete++
			}
		}
		if complete != 1 {
			w.Errorf("it said %d times that it has said everything", complete)
		}
	})
}

func TestALostStateDirectoryIsAnotherIncarnation(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		old := w.host.Incarnation()
		job := w.submit(w.run("sleep", "3600"))
		w.host.Wipe()
		w.pass(time.Minute)
		sessions := w.aggs[0].sessions()
		last := sessions[len(sessions)-1]
		if last.Incarnation == old || last.Incarnation != w.host.Incarnation() {
			w.Errorf("the last session is of incarnation %x", last.Incarnation)
		}
		if last.Spool != "" {
			w.Error("it relies on what the old incarnation was acknowledged")
		}
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.resync = true })
		w.pass(time.Minute)
		if again := w.aggs[0].heard(job.id()); len(again) != 0 {
			w.Errorf("the new one speaks for the old one: %+v", again[0].Seen)
		}
		w.outcome(w.submit(w.run("true")), task.Succeeded, task.NoReason)
	})
}

// An agent may die at any moment: what it kept and what the executor knows bring
// every task to its one outcome, and nothing starts twice.
func TestAnAgentMayDieInEveryPhase(t *testing.T) {
	for _, c := range []struct {
		name  string
		until func(w *world, job *ask) // where it dies
	}{
		{"before the command came", func(w *world, job *ask) {}},
		{"when it is in the cache", func(w *world, job *ask) {
			w.host.GoAway()
			w.pass(time.Second)
			w.submit(job)
		}},
		{"while it runs", func(w *world, job *ask) {
			w.submit(job)
		}},
		{"when its outcome was reported", func(w *world, job *ask) {
			w.submit(job)
			w.pass(time.Minute)
		}},
		{"when its outcome could not be reported", func(w *world, job *ask) {
			w.submit(job)
			w.down.Store("agg1:7421", true)
			w.aggs[0].hangUp(nil)
			w.pass(time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.boot()
				job := w.run("sleep", "30")
				c.until(w, job)
				w.crash()
				w.aggs[0].forgetHeard()
				w.down.Clear()
				w.host.ComeBack()
				w.boot()
				w.aggs[0].deliver(w.command(job)) // its owner asks again
				w.pass(2 * time.Minute)
				w.outcome(job, task.Succeeded, task.NoReason)
				w.startedOnce(job)
				w.forget(job)
				if !w.host.Tombstone(job.cmd()) {
					w.Error("it is not released")
				}
				if names, _ := w.state.List("copy-"); len(names) != 0 {
					w.Errorf("the cache still has %v", names)
				}
			})
		})
	}
}

func TestACommandInTheCacheIsVerifiedAgainAfterARestart(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submit(w.run("true"))
		w.crash()
		names, err := w.state.List("copy-")
		if err != nil || len(names) != 1 {
			w.Fatalf("the cache has %v, %v", names, err)
		}
		content, _ := w.state.Load(names[0])
		content[len(content)/2] ^= 0xff // whoever can write here still cannot sign
		if err := w.state.Save(names[0], content, false); err != nil {
			w.Fatal(err)
		}
		w.host.ComeBack()
		w.boot()
		w.pass(time.Minute)
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("it was started %d times", n)
		}
	})
}

func TestAPingThatWaitedInTheCacheIsAnsweredAndGone(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		bundle := w.aggs[0].bundle
		w.aggs[0].set(func(a *aggregator) { a.bundle = nil })
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submit(w.ping()) // refused for want of a bundle, and that could not be recorded
		w.aggs[0].set(func(a *aggregator) { a.bundle = bundle })
		w.pass(15 * time.Second)
		w.crash()
		w.boot()
		w.pass(15 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
		if names, _ := w.state.List("copy-"); len(names) != 0 {
			w.Errorf("the cache still has %v", names)
		}
	})
}

func TestAHostWhoseExecutorIsAwayTakesABoundedNumberOfCommands(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(15 * time.Second)
		const all = agent.MostCached + 50
		var jobs []*ask
		for range all {
			jobs = append(jobs, w.submit(w.run("true")))
		}
		w.pass(15 * time.Second)
		if n := w.aggs[0].seen().granted["standard"]; n != agent.MostCached {
			w.Errorf("credit for %d of %d commands came back while none can start", n, all)
		}
		w.host.ComeBack()
		w.pass(time.Minute)
		for _, job := range jobs {
			w.outcome(job, task.Succeeded, task.NoReason)
			w.startedOnce(job)
		}
		if n := w.aggs[0].seen().granted["standard"]; n != all {
			w.Errorf("then credit for %d of %d came back", n, all)
		}
	})
}
