package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// inFrozenWorld has an agent whose host an operator may freeze.
func inFrozenWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	inWorld(t, 1, func(w *world) {
		w.operatorDir = dir
		w.boot()
		w.pass(15 * time.Second)
		test(w)
	})
}

func (w *world) freeze(f spool.Freeze) {
	w.Helper()
	if err := spool.SetFreeze(w.operatorDir, f); err != nil {
		w.Fatal(err)
	}
}

func TestAFrozenHostStartsNothingNewAndSaysWhoFrozeIt(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		before := w.submit(w.run("sleep", "3600"))
		w.freeze(spool.Freeze{By: "ops", Since: time.Now(), Why: "disk"})
		job := w.submit(w.run("true"))
		r := w.outcome(job, task.Refused, task.Frozen)
		if !strings.Contains(r.Detail.Message, "by ops") || !strings.HasSuffix(r.Detail.Message, ": disk") {
			w.Errorf("people are told %q", r.Detail.Message)
		}
		w.startedOnce(before)
		w.outcome(w.submit(w.ping()), task.Succeeded, task.NoReason)
		if err := spool.Thaw(w.operatorDir); err != nil {
			w.Fatal(err)
		}
		w.startedOnce(w.submit(w.run("true"))) // at once
		if w.host.Starts(job.cmd(), 1) != 0 {
			w.Error("what was refused was started after the thaw")
		}
	})
}

func TestWhatRunsOnAFrozenHostCanBeStopped(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		job := w.submit(w.run("sleep", "3600"))
		w.freeze(spool.Freeze{Since: time.Now()})
		w.aggs[0].wishStop(job.id())
		synctest.Wait()
		w.outcome(job, task.Canceled, task.Killed)
		w.startedOnce(job)
	})
}

func TestWhatWaitsForTheExecutorDoesNotStartOnAHostThatWasFrozenMeanwhile(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submit(w.run("true"))
		w.pass(15 * time.Second)
		w.freeze(spool.Freeze{By: "ops", Since: time.Now()})
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(job, task.Refused, task.Frozen)
		if n := w.host.Starts(job.cmd(), 1); n != 0 {
			w.Errorf("it was started %d times", n)
		}
	})
}

func TestAFreezeHoldsOverARestartOfTheAgentAndEndsAtItsTime(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		w.freeze(spool.Freeze{By: "ops", Since: time.Now(), Until: time.Now().Add(time.Hour)})
		w.crash()
		w.boot()
		w.pass(15 * time.Second)
		w.outcome(w.submit(w.run("true")), task.Refused, task.Frozen)
		w.pass(time.Hour)
		w.startedOnce(w.submit(w.run("true")))
	})
}

func TestAFreezeThatCannotBeReadFreezes(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		if err := os.WriteFile(filepath.Join(w.operatorDir, "freeze"), []byte("torn"), 0o600); err != nil {
			w.Fatal(err)
		}
		r := w.outcome(w.submit(w.run("true")), task.Refused, task.Frozen)
		if !strings.Contains(r.Detail.Message, "cannot be read") {
			w.Errorf("people are told %q", r.Detail.Message)
		}
	})
}

func TestWhatIsForgedIsRefusedAsForgedAlsoOnAFrozenHost(t *testing.T) {
	inFrozenWorld(t, func(w *world) {
		w.freeze(spool.Freeze{Since: time.Now()})
		job := w.run("true")
		job.key = w.newKey()
		w.submit(job)
		w.outcome(job, task.Refused, task.BadSignature)
	})
}

// link is what the agent has written down of its session.
func (w *world) link() spool.Link {
	w.Helper()
	data, err := w.state.Load(spool.LinkFile)
	if err != nil {
		w.Fatal(err)
	}
	l, err := spool.DecodeLink(data)
	if err != nil {
		w.Fatalf("%q: %v", data, err)
	}
	return l
}

func TestTheSessionIsWrittenDownForWhoIsLoggedInOnTheHost(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.pass(15 * time.Second)
		first := w.link()
		if first.Aggregator != "agg1" || first.Address != "agg1:7421" || first.Version != "v1" || first.Since.IsZero() {
			w.Errorf("%+v", first)
		}
		w.pass(2 * time.Minute)
		if l := w.link(); l.Heard.Sub(first.Heard) < time.Minute || !l.Since.Equal(first.Since) {
			w.Errorf("after 2 minutes it is %+v", l)
		}
		w.down.Store("agg1:7421", true)
		w.aggs[0].server.Stop()
		w.pass(time.Second)
		if l := w.link(); l.Aggregator != "" || !l.Heard.IsZero() || !l.Since.After(first.Since) {
			w.Errorf("without a session it is %+v", l)
		}
	})
}
