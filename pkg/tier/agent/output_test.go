package agent_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestSmallOutputRidesWithTheReport(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		r := w.outcome(w.submit(w.run("sh", "-c", "echo out; echo err >&2; exit 3")), task.Failed, task.NoReason)
		if len(r.Inline) != 2 || string(r.Inline[0]) != "out\n" || string(r.Inline[1]) != "err\n" || r.Seen.Exit.Code != 3 {
			w.Errorf("it came with %q, status %d", r.Inline, r.Seen.Exit.Code)
		}
	})
}

func TestLargeOutputIsThereBeforeItsReport(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("head", "-c", "100000", "/dev/zero"))
		r := w.outcome(job, task.Succeeded, task.NoReason)
		want := make([]byte, 100_000)
		if !bytes.Equal(w.aggs[0].seen().blobs[sha256.Sum256(want)], want) || len(r.Inline) != 0 {
			w.Errorf("the aggregator has %d blobs", len(w.aggs[0].seen().blobs))
		}
		// Another aggregator's spool has neither.
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.spool, a.blobs = "another", map[[32]byte][]byte{} })
		w.aggs[0].hangUp(nil)
		w.pass(15 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
		if len(w.aggs[0].seen().blobs) != 1 {
			w.Error("the report went without its output")
		}
		w.aggs[0].set(func(a *aggregator) { a.resync = true })
		w.pass(15 * time.Second)
		if w.aggs[0].seen().uploads != 3 {
			w.Errorf("%d uploads were begun", w.aggs[0].seen().uploads)
		}
	})
}

func TestSmallOutputsDoNotWaitForLargeOnes(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		hold := make(chan struct{})
		w.aggs[0].set(func(a *aggregator) { a.hold = hold })
		large1, large2 := w.submit(w.run("head", "-c", "100000", "/dev/zero")), w.submit(w.run("head", "-c", "200000", "/dev/zero"))
		small := w.submit(w.run("echo", "hello"))
		w.outcome(small, task.Succeeded, task.NoReason)
		for _, large := range []*ask{large1, large2} {
			for _, r := range w.aggs[0].heard(large.id()) {
				if r.Seen.State.Final() {
					w.Error("a report went before its output")
				}
			}
		}
		if w.aggs[0].seen().uploads != 1 {
			w.Errorf("%d uploads at a time", w.aggs[0].seen().uploads)
		}
		close(hold)
		synctest.Wait()
		w.outcome(large1, task.Succeeded, task.NoReason)
		w.outcome(large2, task.Succeeded, task.NoReason)
	})
}

func TestAnUploadThatBrokeIsDoneAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		hold := make(chan struct{})
		w.aggs[0].set(func(a *aggregator) { a.hold = hold })
		job := w.submit(w.run("head", "-c", "100000", "/dev/zero"))
		w.pass(time.Second)
		w.aggs[0].set(func(a *aggregator) { a.hold = nil })
		w.aggs[0].hangUp(nil)
		close(hold)
		w.pass(30 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
	})
}

func TestOutputThatTheExecutorLostCountsAsCut(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.down.Store("agg1:7421", true)
		small, large := w.submit(w.run("sh", "-c", "sleep 1; echo hello")), w.submit(w.run("sh", "-c", "sleep 1; echo "+string(bytes.Repeat([]byte("x"), 5000))))
		w.aggs[0].hangUp(nil)
		w.pass(10 * time.Second)
		w.host.Lose(small.cmd())
		w.host.Lose(large.cmd())
		w.down.Clear()
		w.pass(time.Minute)
		for job, size := range map[*ask]uint64{small: 6, large: 5001} {
			r := w.outcome(job, task.Succeeded, task.NoReason)
			if out := r.Detail.Outputs[0]; out.Size != 0 || out.Cut != size || len(r.Inline) != 0 {
				w.Errorf("%d bytes that are lost are reported as %+v", size, out)
			}
		}
	})
}

// An agent that was told to forget a task may end before the executor has
// carried it out: the next one still hears of the task.
func TestWhatIsReleasedWhileItsOutputIsFetchedIsNotReported(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.down.Store("agg1:7421", true)
		job := w.submit(w.run("sh", "-c", "sleep 1; echo hello"))
		w.aggs[0].hangUp(nil)
		w.pass(10 * time.Second) // the outcome is known, its output is not fetched
		if released, err := w.host.Release(w.Context(), job.cmd(), time.Time{}); !released || err != nil {
			w.Fatalf("released %v, %v", released, err)
		}
		w.down.Clear()
		w.pass(time.Minute)
		if r := w.said(job); r.Seen.State.Final() || w.alarms.Load() != 0 {
			w.Errorf("it is reported as %+v, with %d alarms", r, w.alarms.Load())
		}
		w.forget(job)
		next := w.submit(w.run("true"))
		w.pass(time.Minute)
		w.outcome(next, task.Succeeded, task.NoReason)
	})
}

func TestOutputIsFetchedWhenTheExecutorIsBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("sh", "-c", "sleep 1; echo hello"))
		w.down.Store("agg1:7421", true)
		w.aggs[0].hangUp(nil)
		w.pass(10 * time.Second) // the outcome is known, its output is not fetched
		w.host.GoAway()
		w.down.Clear()
		w.pass(time.Minute)
		if r := w.said(job); r.Seen.State.Final() {
			w.Error("a report went before its output")
		}
		w.host.ComeBack()
		w.pass(time.Minute)
		if r := w.outcome(job, task.Succeeded, task.NoReason); len(r.Inline) != 1 {
			w.Error("it came without its output")
		}
	})
}

// largeScript is a job whose capsule does not ride with the command.
func largeScript(w *world, first ...string) *ask {
	job := w.run()
	c := &job.payload.Command
	c.Kind, c.Interpreter, c.Script = capsule.Script, []string{"sh"}, append(bytes.Repeat([]byte("true; "), 8000), strings.Join(append(first, "exit 4"), "; ")...)
	return job
}

func TestALargeCapsuleIsFetched(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(largeScript(w))
		if r := w.outcome(job, task.Failed, task.NoReason); r.Seen.Exit.Code != 4 || w.aggs[0].seen().fetched != 1 {
			w.Errorf("exit status %d, fetched %d times", r.Seen.Exit.Code, w.aggs[0].seen().fetched)
		}
		w.startedOnce(job)
	})
}

func TestALargeCapsuleIsFetchedAgainForItsNextAttempt(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(largeScript(w, "sleep 30").rerun())
		w.host.Reboot()
		synctest.Wait()
		w.outcome(job, task.Lost, task.Rebooted)
		w.aggs[0].deliver(w.attempt(job, 2))
		w.pass(time.Minute)
		if r := w.outcome(job, task.Failed, task.NoReason); r.Seen.Attempt != 2 || w.aggs[0].seen().fetched != 2 {
			w.Errorf("it ended with attempt %d, fetched %d times", r.Seen.Attempt, w.aggs[0].seen().fetched)
		}
	})
}

// An agent that has lost its state directory is asked for what runs already.
func TestALargeCapsuleIsNotNeededForWhatTheExecutorHas(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(largeScript(w, "sleep 3600"))
		w.host.GoAway()
		w.pass(time.Second)
		w.crash()
		w.boot()
		command := w.command(job)
		w.aggs[0].set(func(a *aggregator) { a.fetching = make(chan struct{}) })
		w.aggs[0].deliver(command)
		synctest.Wait()
		w.host.ComeBack()
		w.pass(15 * time.Second)
		if r := w.said(job); r.Seen.State != task.Running {
			w.Errorf("it is %s", r.Seen.State)
		}
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() < 1 {
			w.Error("the command holds the acknowledgement up")
		}
		close(w.aggs[0].fetching)
		w.pass(2 * time.Hour)
		w.outcome(job, task.Failed, task.NoReason)
		w.startedOnce(job)
	})
}

func TestALargeCapsuleThatCannotBeHadHoldsNothingUp(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		missing, other := largeScript(w), largeScript(w)
		command, swapped := w.command(missing), w.command(other)
		digest := capsule.Hash(command.GetCapsuleDigest())
		w.aggs[0].set(func(a *aggregator) {
			a.capsules[capsule.Hash(swapped.GetCapsuleDigest())] = a.capsules[digest]
			delete(a.capsules, digest)
		})
		w.aggs[0].deliver(command, swapped)
		synctest.Wait()
		w.outcome(w.submit(w.run("true")), task.Succeeded, task.NoReason)
		w.pass(15 * time.Second)
		if len(w.aggs[0].heard(missing.id()))+len(w.aggs[0].heard(other.id())) != 0 {
			w.Error("something is said of what could not be verified")
		}
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() < 2 {
			w.Errorf("replies up to %d are acknowledged", hb.GetHaveReply())
		}
		w.aggs[0].set(func(a *aggregator) {
			a.capsules[digest] = a.capsules[capsule.Hash(swapped.GetCapsuleDigest())]
		})
		w.aggs[0].deliver(command) // its owner asks again
		synctest.Wait()
		w.outcome(missing, task.Failed, task.NoReason)
	})
}
