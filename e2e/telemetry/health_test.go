package telemetry

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	_ "modernc.org/sqlite" // the store, for who holds it shut

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// dial connects to a port with a certificate.
func dial(t *testing.T, own identity.Files, to identity.Role, address string) *grpc.ClientConn {
	t.Helper()
	source, err := identity.NewSource(own, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, address, grpc.WithTransportCredentials(credentials.NewTLS(source.ClientTLS(to))))
}

func connect(t *testing.T, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// small is a cluster of one of each, but for what there is always more of.
func small(settings map[string]map[string]any) devcluster.Options {
	return devcluster.Options{Hosts: 1, Rooms: []string{"bj01"}, AggregatorsPerRoom: 1, Settings: settings}
}

// awaitReady waits until a process says over HTTP that it is ready, or why it is not.
func awaitReady(t *testing.T, c *rig.Cluster, process string, code int, reason string) {
	t.Helper()
	rig.Eventually(t, func() string {
		got, text := get(t, c, process, "/readyz")
		if got == code && strings.Contains(text, reason) {
			return ""
		}
		return fmt.Sprintf("%s answers %d %q, not %d %q", process, got, text, code, reason)
	})
}

func TestEveryProcessSaysThatItIsWell(t *testing.T) {
	c := rig.Start(t, small(nil))
	for _, tier := range tiers() {
		for _, process := range of(c, tier) {
			awaitReady(t, c, process, http.StatusOK, "ok")
			if code, text := get(t, c, process, "/healthz"); code != http.StatusOK {
				t.Errorf("%s answers %d %q", process, code, text)
			}
		}
	}
	// Who may call each port, and may so ask how it is.
	as := func(name string) identity.Files {
		return identity.Files{Cert: c.PKI(name + ".crt"), Key: c.PKI(name + ".key"), CA: c.PKI("ca.crt")}
	}
	callers := map[string]identity.Files{
		"access": c.UserFiles(), "issuer": c.UserFiles(), "scheduler": as("access-1"), "aggregator": as("scheduler-standard-1"),
	}
	for _, l := range c.Listeners() {
		if own, ok := callers[l.Tier]; ok && l.Key == "listen" {
			wantServing(t, l.Process, dial(t, own, identity.Role(l.Tier), l.Address))
		}
	}
	wantServing(t, "executor-h1", connect(t, "unix:"+c.Socket("h1"), grpc.WithTransportCredentials(insecure.NewCredentials())))
}

// wantServing asks the way that gRPC has for it.
func wantServing(t *testing.T, process string, conn *grpc.ClientConn) {
	t.Helper()
	health := healthv1.NewHealthClient(conn)
	got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%s says that it is %v (%v)", process, got.GetStatus(), err)
		return
	}
	watch, err := health.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%s says to who watches that it is %v (%v)", process, got.GetStatus(), err)
	}
}

// A scheduler that starts while etcd is away knows nothing of its shards; one
// that has them goes on.
func TestASchedulerWithoutAShardMapIsNotReady(t *testing.T) {
	c := rig.Start(t, small(nil))
	c.Stop(t, "scheduler-standard-1")
	c.Stop(t, "etcd")
	var starting sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Patience)
	defer cancel()
	starting.Go(func() {
		if err := c.Cluster.Restart(ctx, "scheduler-standard-1"); err != nil {
			t.Error(err)
		}
	})
	awaitReady(t, c, "scheduler-standard-1", http.StatusServiceUnavailable, "own")
	awaitReady(t, c, "scheduler-standard-2", http.StatusOK, "ok")
	c.Restart(t, "etcd")
	starting.Wait()
	awaitReady(t, c, "scheduler-standard-1", http.StatusOK, "ok")
}

// Somebody holds the store shut, as a full disk would.
func TestASchedulerThatCannotWriteIsNotReady(t *testing.T) {
	if rig.OnPostgreSQL(t) {
		t.Skip("it holds the file of SQLite shut, and STORE=postgres is in the environment")
	}
	c := rig.Start(t, small(map[string]map[string]any{"scheduler": {"store.busy_timeout": "200ms"}}))
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Dir(), "store", "ccs.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	held, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var submitting sync.WaitGroup
	submitting.Go(func() {
		if _, err := c.SDK.Run(t.Context(), client.Request{All: true, Command: rig.Sh("true")}); err != nil {
			t.Error(err)
		}
	})
	rig.Eventually(t, func() string {
		var said []string
		for _, process := range of(c, "scheduler") {
			code, text := get(t, c, process, "/readyz")
			if code == http.StatusServiceUnavailable && strings.Contains(text, "the store cannot be written to") {
				return ""
			}
			said = append(said, text)
		}
		return fmt.Sprintf("no scheduler complains about the store, but %q", said)
	})
	if _, err := held.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	submitting.Wait()
	for _, process := range of(c, "scheduler") {
		awaitReady(t, c, process, http.StatusOK, "ok")
	}
}

// A submission that is not complete keeps access for as long as its budget lasts;
// meanwhile a load balancer is to send nobody there any more.
func TestAProcessThatWasToldToStopSaysThatItDrains(t *testing.T) {
	c := rig.Start(t, small(map[string]map[string]any{"access": {"drain_budget": "20s"}}))
	access := accessv1.NewAccessServiceClient(dial(t, c.UserFiles(), identity.Access, c.AccessAddresses()[0]))
	submission, err := access.SubmitJob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := access.ListHosts(t.Context(), &accessv1.ListHostsRequest{}); err != nil { // it came after
		t.Fatal(err)
	}
	var stopping sync.WaitGroup
	stopping.Go(func() {
		if err := c.Cluster.Stop(context.WithoutCancel(t.Context()), "access-1"); err != nil {
			t.Error(err)
		}
	})
	awaitReady(t, c, "access-1", http.StatusServiceUnavailable, "draining")
	if code, _ := get(t, c, "access-1", "/healthz"); code != http.StatusOK {
		t.Errorf("it is not alive while it drains: %d", code)
	}
	if _, err := submission.CloseAndRecv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a submission of nothing is answered %v", err)
	}
	stopping.Wait()
	if code, text := get(t, c, "access-1", "/readyz"); code != 0 {
		t.Errorf("after its end: %d %q", code, text)
	}
}
