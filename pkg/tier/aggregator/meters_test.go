package aggregator

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// counted compares metrics; a key is a name, and a label if there is one.
func (w *world) counted(when string, want map[string]int64) {
	w.t.Helper()
	for key, n := range want {
		name, label, labelled := strings.Cut(key, " ")
		var labels []string
		if labelled {
			labels = append(labels, label)
		}
		if got := w.told.Value(obs.Name(name), labels...); got != n {
			w.t.Errorf("%s, %s is %d, want %d", when, key, got, n)
		}
	}
}

func TestSessionsAndStreamsAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		w.here("h2")
		s := w.owner("s1", 1)
		full := w.agent("h3")
		if err := full.connect(); status.Code(err) != codes.Unavailable {
			t.Fatalf("a third host: %v", err)
		}
		a.session-- // as if its state had been set back
		if err := a.connect(); status.Code(err) != codes.FailedPrecondition {
			t.Fatalf("an old number: %v", err)
		}
		w.counted("with two hosts", map[string]int64{
			"ccs.sessions": 1, "ccs.sessions.opened": 2, "ccs.sessions.refused": 2, "ccs.mesh.streams": 1,
			"ccs.sessions.refused code=Unavailable": 1, "ccs.sessions.refused code=FailedPrecondition": 1,
		})
		s.hangUp()
		w.counted("without the scheduler", map[string]int64{"ccs.mesh.streams": 0})
	}, func(c *Config) { c.MaxSessions = 2 })
}

func TestCommandsAreCountedByTheClassesOfTheDeployment(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.classes("standard", "bulk")
		w.here("h1")
		s := w.owner("s1", 1)
		for _, class := range []string{"standard", "bulk", "bulk", "invented", "made-up"} {
			s.dispatch(w.job(class, 0, "h1"), "h1")
		}
		w.counted("after five", map[string]int64{
			"ccs.commands.sent": 5, "ccs.commands.sent class=standard": 1, "ccs.commands.sent class=bulk": 2,
			"ccs.commands.sent class=other": 2, "ccs.commands.sent class=invented": 0,
		})
	})
}

func TestWhatIsHeldIsShownUntilItIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		a.say(a.report(j, task.Running))
		a.say(a.finished(j, []byte("ten bytes.")))
		w.counted("with an outcome", map[string]int64{
			"ccs.reports.received": 3, "ccs.reports.held": 1, "ccs.payloads.held": 1, "ccs.blobs.size": 10,
		})
		s.forget(j, "h1")
		a.idle(2 * time.Minute)
		w.counted("when it is forgotten", map[string]int64{
			"ccs.reports.received": 3, "ccs.reports.held": 0, "ccs.payloads.held": 0, "ccs.blobs.size": 0,
		})
		w.empty()
	})
}

func TestAnAggregatorThatWasEverFoundIsReadyUntilItDrains(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		idle, err := New(w.cfg, Deps{Log: slog.New(slog.DiscardHandler), Identity: w.source(identity.Aggregator, "agg-1"), Coord: w.coord})
		if err != nil {
			t.Fatal(err)
		}
		if err := idle.Check(); !errors.Is(err, errNotAnnounced) {
			t.Errorf("before it runs: %v", err)
		}
		ready := func(when string, registered int64) {
			t.Helper()
			if err := w.server.Check(); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			w.counted(when, map[string]int64{"ccs.registered": registered})
		}
		ready("while it runs", 1)
		w.coord.Away()
		w.pass(w.cfg.LeaseTTL + time.Second)
		ready("without etcd", 0) // all aggregators would leave at once, and the hosts be shut out
		if !w.log.has("registration in etcd is lost") {
			t.Error("the log does not say that the registration is lost")
		}
		w.coord.Back()
		w.pass(5 * time.Second)
		ready("when etcd is back", 1)
		w.stop()
		if err := w.server.Check(); !errors.Is(err, obs.ErrDraining) {
			t.Errorf("when it has stopped: %v", err)
		}
	})
}

func TestTheMeshPortTellsSchedulersOfItsHealth(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		conn := w.dial(identity.Scheduler, "s1", w.mesh)
		defer conn.Close()
		health := healthv1.NewHealthClient(conn)
		ask := func(want healthv1.HealthCheckResponse_ServingStatus) {
			t.Helper()
			if got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != want {
				t.Errorf("health is %v, %v, want %s", got, err, want)
			}
		}
		ask(healthv1.HealthCheckResponse_SERVING)
		w.coord.Away()
		w.pass(w.cfg.LeaseTTL + time.Second)
		ask(healthv1.HealthCheckResponse_SERVING)
		w.server.draining.Store(true)
		ask(healthv1.HealthCheckResponse_NOT_SERVING)
	})
}

func TestWhatIsNotTracedCostsNoMemory(t *testing.T) {
	told := obstest.New(t)
	for whom, telemetry := range map[string]obs.Telemetry{"nobody": {}, "somebody": told.Telemetry()} {
		m, ctx := newMeters(telemetry), t.Context()
		m.setClasses(map[string]string{"standard": "standard"})
		r := &record{host: &host{session: &session{}}}
		commands := []*sessionv1.Command{{Class: "standard"}, {Class: "invented"}}
		m.sent(ctx, commands) // makes the series
		for what, do := range map[string]func(){
			"counting":         func() { m.sent(ctx, commands) },
			"looking for none": func() { _ = tracedBy(ctx, "") },
			"no delivery":      func() { _ = r.deliver(ctx, nil) },
		} {
			if n := testing.AllocsPerRun(100, do); n > 0 {
				t.Errorf("telling %s, %s allocates %v times", whom, what, n)
			}
		}
	}
}
