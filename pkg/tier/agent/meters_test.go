package agent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestVerdictsAreCountedByTheirReason(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.submit(w.run("true"))
		w.submit(w.ping())
		forged := w.run("true")
		forged.key = w.newKey()
		w.submit(forged)
		late := w.run("true")
		late.payload.NotBefore, late.payload.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		w.submit(late)
		broken := w.command(w.run("true"))
		broken.CapsuleDigest = nil
		w.aggs[0].deliver(broken)
		w.pass(time.Second)
		for label, want := range map[string]int64{
			"verdict=accepted": 2, "verdict=signature": 1, "verdict=start_by_passed": 1, "verdict=malformed": 1,
		} {
			if got := w.recorder.Value(obs.CommandsJudged, label); got != want {
				w.Errorf("%s is %d, want %d", label, got, want)
			}
		}
		if got := w.recorder.Value(obs.CommandsJudged); got != 5 {
			w.Errorf("%d were judged, want 5", got)
		}
	})
}

func TestReportsAreShownUntilTheyAreDurableAbove(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("true"))
		w.outcome(job, task.Succeeded, task.NoReason)
		if got := w.recorder.Value(obs.ReportsUnforgotten); got != 1 {
			w.Errorf("%d reports, want 1", got)
		}
		w.forget(job)
		if got := w.recorder.Value(obs.ReportsUnforgotten); got != 0 {
			w.Errorf("%d reports, want 0", got)
		}
	})
}

func TestAnAgentWithoutAGoodBundleIsNotReady(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.bundle = nil })
		w.boot()
		w.pass(15 * time.Second)
		if err := w.agent.Check(); err == nil || !strings.Contains(err.Error(), "no bundle") {
			w.Errorf("without a bundle: %v", err)
		}
		publish := func(version uint64) {
			w.Helper()
			w.aggs[0].set(func(a *aggregator) { a.bundle = wire.EnvelopeToProto(w.bundle(version, time.Now().Add(24*time.Hour))) })
			w.pass(15 * time.Second)
			if err := w.agent.Check(); err != nil {
				w.Errorf("with bundle %d: %v", version, err)
			}
		}
		publish(1)
		w.pass(25 * time.Hour)
		if err := w.agent.Check(); err == nil || !strings.Contains(err.Error(), "past its expiry") {
			w.Errorf("with one past its expiry: %v", err)
		}
		publish(2)
	})
}

func TestAnAgentIsReadyWithASessionAndAnExecutor(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		lacks := func(when string, want ...string) {
			w.Helper()
			err := w.agent.Check()
			if (err == nil) != (len(want) == 0) {
				w.Errorf("%s: %v", when, err)
			}
			for _, text := range want {
				if !strings.Contains(err.Error(), text) {
					w.Errorf("%s it does not say %q: %v", when, text, err)
				}
			}
		}
		w.aggs[0].set(func(a *aggregator) { a.refuse = wire.ErrUnavailable })
		w.host.GoAway()
		w.boot()
		lacks("at first", "no session", "executor of this host cannot be reached")
		w.host.ComeBack()
		w.pass(5 * time.Second)
		lacks("with the executor", "no session")
		if got := w.recorder.Value(obs.SessionAttached); got != 0 {
			w.Errorf("attached is %d without a session", got)
		}
		w.aggs[0].set(func(a *aggregator) { a.refuse = nil })
		w.pass(time.Minute)
		lacks("with both")
		if got := w.recorder.Value(obs.SessionAttached); got != 1 {
			w.Errorf("attached is %d with a session", got)
		}
		if expires := w.agent.CertificateExpires(); !expires.After(time.Now()) {
			w.Errorf("the certificate expires %s", expires)
		}
		w.host.GoAway()
		w.pass(5 * time.Second)
		lacks("without the executor", "executor of this host cannot be reached")
		stopped := w.agent
		w.crash()
		if err := stopped.Check(); !errors.Is(err, obs.ErrDraining) {
			w.Errorf("when it has stopped: %v", err)
		}
	})
}
