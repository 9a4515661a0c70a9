package issuer_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/tier/issuer"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

const domain = "demo.ccs"

// rig is an issuer in memory, with all that it talks to.
type rig struct {
	t      *testing.T
	ca     *identity.CA
	dir    string
	hub    *memory.Hub
	tokens map[string]string // by the name pattern of their grants
	api    enrolv1.EnrolServiceClient
	rows   *rows // of the host table
	server *issuer.Server
	told   *obstest.Recorder // what the issuer tells of itself
	conn   *grpc.ClientConn
	stop   func()

	mu    sync.Mutex
	ports map[string]*bufconn.Listener
}

// inBubble runs a test with an issuer that serves; everything has ended when it
// returns.
func inBubble(t *testing.T, test func(*rig), grants ...identity.Grant) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca, err := identity.NewCA(domain, 1000*24*time.Hour, time.Now())
		must(t, err)
		r := &rig{
			t: t, ca: ca, dir: t.TempDir(), hub: memory.New(), tokens: map[string]string{},
			rows: &rows{known: map[fleet.HostID]fleet.Host{}}, told: obstest.New(t), ports: map[string]*bufconn.Listener{},
		}
		r.server, err = issuer.New(issuer.DefaultConfig(), issuer.Deps{
			Log: slog.New(slog.DiscardHandler), Identity: r.source(identity.Issuer, "i1"),
			Coord: r.hub, CA: ca, Book: r.book(grants), Dial: r.dial, Telemetry: r.told.Telemetry(),
		})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		lis := r.listen("issuer")
		running.Go(func() {
			if err := r.server.Run(ctx, lis); err != nil {
				t.Errorf("the issuer ended with %v", err)
			}
		})
		r.stop = func() {
			stop()
			running.Wait()
		}
		<-r.server.Ready()
		r.conn = r.connect()
		r.api = enrolv1.NewEnrolServiceClient(r.conn)
		test(r)
		must(t, r.conn.Close())
		r.stop()
	})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (r *rig) source(role identity.Role, name string) *identity.Source {
	r.t.Helper()
	cred, err := r.ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: domain, Role: role, Name: name}, TTL: 48 * time.Hour}, time.Now())
	must(r.t, err)
	dir := r.t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	must(r.t, cred.Save(files))
	s, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	must(r.t, err)
	return s
}

// book makes a token for each grant.
func (r *rig) book(grants []identity.Grant) *identity.Book {
	r.t.Helper()
	for i := range grants {
		grants[i].Expires = time.Now().Add(24 * time.Hour)
		r.tokens[grants[i].Name], grants[i].TokenSHA256 = identity.NewToken()
	}
	file := filepath.Join(r.dir, "tokens.json")
	must(r.t, identity.SaveGrants(file, grants))
	book, err := identity.OpenBook(file, file+".uses", slog.New(slog.DiscardHandler))
	must(r.t, err)
	r.t.Cleanup(func() { _ = book.Close() })
	return book
}

func (r *rig) listen(addr string) *bufconn.Listener {
	lis := bufconn.Listen(64 << 10)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ports[addr] = lis
	return lis
}

func (r *rig) dial(ctx context.Context, addr string) (net.Conn, error) {
	r.mu.Lock()
	lis := r.ports[addr]
	r.mu.Unlock()
	if lis == nil {
		return nil, errors.New("connection refused")
	}
	return lis.DialContext(ctx)
}

// connect is the way of a caller who has no certificate.
func (r *rig) connect() *grpc.ClientConn {
	r.t.Helper()
	tls, err := identity.ClientTLSNoCert(r.ca.PEM(), domain, identity.Issuer)
	must(r.t, err)
	conn, err := grpc.NewClient("passthrough:///issuer",
		grpc.WithTransportCredentials(credentials.NewTLS(tls)), grpc.WithContextDialer(r.dial))
	must(r.t, err)
	return conn
}

// scheduler starts one that serves the host table, under a certificate of a
// name, and announces it under its own.
func (r *rig) scheduler(name, certName string, fleetServer schedulerv1.FleetServiceServer) (stop func()) {
	r.t.Helper()
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(r.source(identity.Scheduler, certName).ServerTLS(identity.Issuer))))
	schedulerv1.RegisterFleetServiceServer(server, fleetServer)
	var serving sync.WaitGroup
	lis := r.listen(name + ":7410")
	serving.Go(func() { _ = server.Serve(lis) })
	session, err := r.hub.Grant(r.t.Context(), time.Minute)
	must(r.t, err)
	must(r.t, coord.PutMember(r.t.Context(), session, coord.Member{
		Kind: coord.Scheduler, Name: name, Addr: name + ":7410", Pool: "standard", Shards: 64,
	}))
	return func() {
		server.Stop()
		serving.Wait()
		_ = session.Close(context.WithoutCancel(r.t.Context()))
	}
}

func (r *rig) owns(name string) {
	r.t.Helper()
	must(r.t, r.hub.Put(r.t.Context(), coord.HostTableKey, []byte(name)))
}

// rows is the host table as its owner keeps it.
type rows struct {
	schedulerv1.UnimplementedFleetServiceServer

	mu    sync.Mutex
	known map[fleet.HostID]fleet.Host
	calls int
}

func (w *rows) RegisterHost(_ context.Context, req *schedulerv1.RegisterHostRequest) (*schedulerv1.RegisterHostResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	h, err := wire.HostFromProto(req.GetHost())
	if err == nil {
		err = fleet.ValidateHost(h)
	}
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if old, there := w.known[h.ID]; there && old.PublicKey != h.PublicKey {
		return nil, status.Error(codes.PermissionDenied, "not allowed: it is registered with another key")
	}
	w.known[h.ID] = h
	return &schedulerv1.RegisterHostResponse{Host: req.GetHost()}, nil
}

func (w *rows) all() map[fleet.HostID]fleet.Host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.known)
}

// elsewhere is a scheduler that does not own the host table.
type elsewhere struct {
	schedulerv1.UnimplementedFleetServiceServer
}

func (elsewhere) RegisterHost(context.Context, *schedulerv1.RegisterHostRequest) (*schedulerv1.RegisterHostResponse, error) {
	return nil, wire.StatusError(&wire.NotOwnerError{Shard: job.ShardID{}})
}

// machine is a host that wants in.
type machine struct {
	id  string
	key ed25519.PrivateKey
}

func newMachine(tb testing.TB, id string) machine {
	tb.Helper()
	key, err := identity.NewKey()
	must(tb, err)
	return machine{id, key}
}

func (m machine) request(tb testing.TB, token string) *enrolv1.EnrolHostRequest {
	tb.Helper()
	csr, err := identity.NewCSR(m.key)
	must(tb, err)
	return &enrolv1.EnrolHostRequest{JoinToken: token, Csr: csr, HostId: m.id, Incarnation: []byte("0123456789abcdef"), Address: "10.0.0.7"}
}

func (r *rig) enrol(m machine, pattern string) (*enrolv1.EnrolHostResponse, error) {
	r.t.Helper()
	return r.api.EnrolHost(r.t.Context(), m.request(r.t, r.tokens[pattern]))
}

// wantRefusal checks the code of an answer and what its text says.
func wantRefusal(tb testing.TB, err error, code codes.Code, says string) {
	tb.Helper()
	if status.Code(err) != code || !strings.Contains(err.Error(), says) {
		tb.Errorf("got %v, want %s that says %q", err, code, says)
	}
}

func room(name, pattern string, uses int) identity.Grant {
	return identity.Grant{Kind: identity.Host, Room: name, Labels: map[string]string{"app": "web"}, Name: pattern, Uses: uses}
}

func user(pattern string) identity.Grant {
	return identity.Grant{Kind: identity.User, Name: pattern}
}

func describe(h fleet.Host) string {
	return fmt.Sprintf("%s %s %s %v %s %d", h.ID, h.Room, h.Address, h.Labels, h.Incarnation[:], h.KeyState)
}

// wait lets the time of the bubble pass.
func wait(d time.Duration) { <-time.After(d) }
