package issuer_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestEnrolmentsAreCountedByWhatBecameOfThem(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		_, err := r.enrol(newMachine(t, "h1"), "h*")
		must(t, err)
		_, err = r.enrol(newMachine(t, "h1"), "h*")
		wantRefusal(t, err, codes.PermissionDenied, "another key")
		_, err = r.api.EnrolHost(t.Context(), newMachine(t, "h2").request(t, "no token"))
		wantRefusal(t, err, codes.PermissionDenied, "token")
		csr, err := identity.NewCSR(newMachine(t, "alice").key)
		must(t, err)
		_, err = r.api.EnrolUser(t.Context(), &enrolv1.EnrolUserRequest{JoinToken: r.tokens["alice"], Csr: csr, User: "alice"})
		must(t, err)
		for labels, want := range map[string]int64{
			"kind=host result=OK": 1, "kind=host result=PermissionDenied": 2, "kind=user result=OK": 1,
		} {
			if got := r.told.Value(obs.Enrolments, strings.Fields(labels)...); got != want {
				t.Errorf("%s is %d, want %d", labels, got, want)
			}
		}
		if all, timed := r.told.Value(obs.Requests, "method=EnrolHost"), r.told.Measured(obs.RequestDuration, "method=EnrolHost"); all != 3 || timed != 3 {
			t.Errorf("%d requests, %d with their time; want 3 and 3", all, timed)
		}
	}, room("bj01", "h*", 0), user("alice"))
}

func TestAnEnrolmentIsOneTraceUpToTheHostTable(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		defer r.scheduler("s1", "s1", r.rows)()
		r.owns("s1")
		_, err := r.enrol(newMachine(t, "h1"), "h*")
		must(t, err)
		synctest.Wait()
		served, asked := r.told.Spans("ccs.enrol.v1.EnrolService/EnrolHost"), r.told.Spans("ccs.scheduler.v1.FleetService/RegisterHost")
		if len(served) != 1 || len(asked) != 1 || asked[0].Parent.SpanID() != served[0].SpanContext.SpanID() {
			t.Errorf("spans are %v", r.told.Spans(""))
		}
	}, room("bj01", "h*", 0))
}

// Who has no certificate decides nothing about traces.
func TestTheTraceOfAStrangerIsNotGoneOnWith(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		const his = "0af7651916cd43dd8448eb211c80319c"
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+his+"-b7ad6b7169203331-01")
		_, err := r.api.EnrolHost(ctx, newMachine(t, "h2").request(t, "no token"))
		wantRefusal(t, err, codes.PermissionDenied, "token")
		synctest.Wait()
		served := r.told.Spans("ccs.enrol.v1.EnrolService/EnrolHost")
		if len(served) != 1 || served[0].SpanContext.TraceID().String() == his || len(served[0].Links) != 1 {
			t.Errorf("spans are %v", served)
		}
	}, room("bj01", "h*", 0))
}

func TestAnIssuerIsReadyWhileTheHostTableHasAnOwner(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		health := healthv1.NewHealthClient(r.conn)
		says := func(when, want string, status healthv1.HealthCheckResponse_ServingStatus) {
			t.Helper()
			synctest.Wait()
			if err := r.server.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", when, err, want)
			}
			if got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != status {
				t.Errorf("%s the port says %v, %v, want %s", when, got, err, status)
			}
		}
		says("without schedulers", "owns the host table", healthv1.HealthCheckResponse_NOT_SERVING)
		stop := r.scheduler("s1", "s1", r.rows)
		says("without an owner", "owns the host table", healthv1.HealthCheckResponse_NOT_SERVING)
		r.owns("s1")
		says("with an owner", "", healthv1.HealthCheckResponse_SERVING)
		stop()
		says("when the owner has gone", "owns the host table", healthv1.HealthCheckResponse_NOT_SERVING)
		r.stop()
		if err := r.server.Check(); !errors.Is(err, obs.ErrDraining) {
			t.Errorf("when it has stopped: %v", err)
		}
	})
}
