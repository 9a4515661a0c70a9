package access_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// wantCheck checks why the replica is not ready; "": it is.
func (r *rig) wantCheck(says string) {
	r.t.Helper()
	synctest.Wait()
	err := r.server.Check()
	if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
		r.t.Errorf("the check says %v, want %q", err, says)
	}
}

func TestAReplicaIsReadyThatReachesASchedulerOfAnyPool(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.wantCheck("pool standard has no scheduler")
		r.wantCheck("pool critical has no scheduler")
		kill := r.scheduler("c1", "critical", &scheduler{})
		r.wantCheck("")
		r.scheduler("s1", "standard", &scheduler{})
		r.wantCheck("")
		kill()
		r.wantCheck("") // the other pool is served all the same
	})
}

func TestAReplicaIsNotReadyWithoutAMapOfThePools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := access.New(access.DefaultConfig(), access.Deps{})
		must(t, err)
		if err := server.Check(); err == nil || !strings.Contains(err.Error(), "etcd has not told") {
			t.Errorf("the check says %v", err)
		}
	})
}

func TestAReplicaIsReadyAsLongAsOneSchedulerOfAPoolCanBeReached(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.scheduler("s1", "standard", &scheduler{})
		r.scheduler("s2", "standard", &scheduler{})
		r.crash["s1"]()
		r.wantCheck("")
		r.crash["s2"]()
		for range 3 { // each look tries to open it again
			r.wantCheck("no scheduler of pool standard can be reached, of 2 that are announced")
			wait(time.Second)
		}
		r.scheduler("s1", "standard", &scheduler{})
		wait(2 * time.Second)
		r.wantCheck("")
	})
}

func TestWithoutEtcdAReplicaIsReadyWithWhatItKnows(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.scheduler("s1", "standard", &scheduler{})
		r.scheduler("c1", "critical", &scheduler{})
		r.hub.Away()
		wait(time.Hour)
		r.wantCheck("")
	})
}

func TestAReplicaThatDrainsIsNotReady(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.scheduler("s1", "standard", &scheduler{})
		r.scheduler("c1", "critical", &scheduler{})
		r.wantCheck("")
		r.stop()
		synctest.Wait()
		if err := r.server.Check(); !errors.Is(err, obs.ErrDraining) {
			r.t.Errorf("the check says %v", err)
		}
	})
}

func TestUsersMayAskForTheHealthOfAReplicaAndNobodyElse(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		ask := func() healthv1.HealthCheckResponse_ServingStatus {
			synctest.Wait()
			got, err := healthv1.NewHealthClient(r.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
			must(t, err)
			return got.GetStatus()
		}
		if got := ask(); got != healthv1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("without schedulers its health is %s", got)
		}
		r.scheduler("s1", "standard", &scheduler{})
		r.scheduler("c1", "critical", &scheduler{})
		if got := ask(); got != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("with schedulers its health is %s", got)
		}
		stranger := r.connect(identity.Host, "h1")
		if _, err := healthv1.NewHealthClient(stranger).Check(t.Context(), &healthv1.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
			t.Errorf("a host is told %v", err)
		}
		must(t, stranger.Close())
	})
}
