package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// retryOf makes a job a retry of another.
func (a *ask) retryOf(parent *ask) *ask {
	a.payload.Parent = parent.id()
	return a
}

// neverStarted checks that no attempt of a job was started here.
func (w *world) neverStarted(a *ask) {
	w.Helper()
	for n := range uint32(3) {
		if w.host.Starts(a.cmd(), n) != 0 {
			w.Errorf("attempt %d was started", n)
		}
	}
}

// Rules: parent-lives
func TestARetryIsRefusedWhileItsParentLives(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		parent := w.submit(w.run("sleep", "3600"))
		retry := w.submit(w.run("true").retryOf(parent))
		said := w.outcome(retry, task.Refused, task.ParentLives)
		if text := said.Detail.Message; !strings.Contains(text, parent.cmd()) || !strings.Contains(text, "cancel") {
			w.Errorf("a person is told %q", text)
		}
		w.neverStarted(retry)
		w.pass(2 * time.Hour) // the parent has ended, and the verdict stays
		w.outcome(parent, task.Succeeded, task.NoReason)
		w.submit(retry)
		w.outcome(retry, task.Refused, task.ParentLives)
		w.neverStarted(retry)
	})
}

func TestARetryStartsWhenItsParentHasEnded(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		parent := w.submit(w.run("false"))
		w.outcome(parent, task.Failed, task.NoReason)
		kept := w.submit(w.run("true").retryOf(parent)) // its parent is still remembered
		w.outcome(kept, task.Succeeded, task.NoReason)
		w.forget(parent)
		forgotten := w.submit(w.run("true").retryOf(parent))
		w.outcome(forgotten, task.Succeeded, task.NoReason)
		stranger := w.submit(w.run("true").retryOf(w.run("true")))
		w.outcome(stranger, task.Succeeded, task.NoReason)
		for _, a := range []*ask{parent, kept, forgotten, stranger} {
			w.startedOnce(a)
		}
	})
}

func TestARetryIsRefusedForAParentThatWaitsForTheExecutorToo(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		parent := w.run("sleep", "3600")
		retry := w.submit(w.run("true").retryOf(parent)) // it comes first, and may be handed over first
		w.submit(parent)
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(retry, task.Refused, task.ParentLives)
		w.neverStarted(retry)
		w.startedOnce(parent)
	})
}

// What the executor runs the agent knows only after its snapshot: a retry that is
// in the cache waits for that.
//
// Rules: parent-lives
func TestAnAgentThatHasJustBegunKnowsThatTheParentLives(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		parent := w.run("sleep", "3600")
		retry := w.submit(w.run("true").retryOf(parent))
		w.crash()
		w.host.ComeBack()
		w.startBehindTheAgent(parent)
		w.boot()
		w.pass(10 * time.Second)
		w.outcome(retry, task.Refused, task.ParentLives)
		w.neverStarted(retry)
	})
}

func TestAPingMayRetryWhatStillRuns(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		parent := w.submit(w.run("sleep", "3600"))
		w.outcome(w.submit(w.ping().retryOf(parent)), task.Succeeded, task.NoReason)
	})
}
