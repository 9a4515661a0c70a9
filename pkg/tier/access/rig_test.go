package access_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

const (
	domain = "demo.ccs"
	shards = 4 // of every pool here
)

// rig is one replica of access in memory, with schedulers that do as told.
type rig struct {
	t    *testing.T
	ca   *identity.CA
	hub  *memory.Hub
	user accessv1.AccessServiceClient
	conn *grpc.ClientConn // of user
	cfg  access.Config
	told *obstest.Recorder

	server *access.Server
	stop   context.CancelFunc // begins the end of the replica

	mu    sync.Mutex
	ports map[string]*bufconn.Listener
	dials map[string]int
	ends  []func()
	crash map[string]func() // of schedulers by name: the process ends, and its lease does not
}

// inBubble runs a test with a replica that serves; everything has ended when it
// returns.
func inBubble(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca, err := identity.NewCA(domain, 100*time.Hour, time.Now())
		must(t, err)
		r := &rig{t: t, ca: ca, hub: memory.New(), cfg: access.DefaultConfig(), ports: map[string]*bufconn.Listener{}, dials: map[string]int{}, told: obstest.New(t), crash: map[string]func(){}}
		server, err := access.New(r.cfg, access.Deps{
			Log: slog.New(slog.DiscardHandler), Identity: r.source(identity.Access, "a1"), Coord: r.hub, Dial: r.dial, Telemetry: r.told.Telemetry(),
		})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		r.server, r.stop = server, stop
		var running sync.WaitGroup
		lis := r.listen("access")
		running.Go(func() {
			if err := server.Run(ctx, lis); err != nil {
				t.Errorf("access ended with %v", err)
			}
		})
		conn := r.connect(identity.User, "ann")
		r.user, r.conn = accessv1.NewAccessServiceClient(conn), conn
		must(t, coord.PutClass(t.Context(), r.hub, "standard", "standard"))
		must(t, coord.PutClass(t.Context(), r.hub, "critical", "critical"))
		test(r)
		stop()
		running.Wait()
		must(t, conn.Close())
		for _, end := range r.ends {
			end()
		}
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
	return r.sourceOf(r.ca, role, name)
}

func (r *rig) sourceOf(ca *identity.CA, role identity.Role, name string) *identity.Source {
	r.t.Helper()
	cred, err := ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: domain, Role: role, Name: name}, TTL: 50 * time.Hour}, time.Now())
	must(r.t, err)
	dir := r.t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	must(r.t, cred.Save(files))
	s, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	must(r.t, err)
	return s
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
	r.dials[addr]++
	lis := r.ports[addr]
	r.mu.Unlock()
	if lis == nil {
		return nil, errors.New("connection refused")
	}
	return lis.DialContext(ctx)
}

func (r *rig) dialled(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dials[name+":7410"]
}

func (r *rig) connect(role identity.Role, name string) *grpc.ClientConn {
	r.t.Helper()
	return r.connectWith(r.source(role, name))
}

func (r *rig) connectWith(source *identity.Source) *grpc.ClientConn {
	r.t.Helper()
	conn, err := grpc.NewClient("passthrough:///access",
		grpc.WithTransportCredentials(credentials.NewTLS(source.ClientTLS(identity.Access))), grpc.WithContextDialer(r.dial))
	must(r.t, err)
	return conn
}

// credentials are those of a user.
func (r *rig) credentials(name string) credentials.TransportCredentials {
	r.t.Helper()
	return credentials.NewTLS(r.source(identity.User, name).ClientTLS(identity.Access))
}

// scheduler starts one of a pool, which owns the shards given.
func (r *rig) scheduler(name, pool string, s *scheduler, owns ...uint32) (kill func()) {
	r.t.Helper()
	s.name, s.pool = name, cmp.Or(s.pool, pool)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(r.source(identity.Scheduler, name).ServerTLS(identity.Access))))
	schedulerv1.RegisterSchedulerServiceServer(server, s)
	var serving sync.WaitGroup
	lis := r.listen(name + ":7410")
	serving.Go(func() { _ = server.Serve(lis) })
	session, err := r.hub.Grant(r.t.Context(), time.Minute)
	must(r.t, err)
	must(r.t, coord.PutMember(r.t.Context(), session, coord.Member{
		Kind: coord.Scheduler, Name: name, Addr: name + ":7410", Pool: pool, Shards: shards,
	}))
	for _, n := range owns {
		r.owns(name, pool, n)
	}
	r.crash[name] = sync.OnceFunc(func() {
		r.mu.Lock()
		delete(r.ports, name+":7410")
		r.mu.Unlock()
		server.Stop()
		serving.Wait()
	})
	var once sync.Once
	kill = func() {
		once.Do(func() {
			r.crash[name]()
			_ = session.Close(context.WithoutCancel(r.t.Context()))
		})
	}
	r.ends = append(r.ends, kill)
	synctest.Wait() // until access has seen it
	return kill
}

func (r *rig) owns(name, pool string, shard uint32) {
	r.t.Helper()
	must(r.t, r.hub.Put(r.t.Context(), coord.ShardKey(pool, shard), []byte(name)))
	synctest.Wait()
}

// everyShard is all of a pool.
func everyShard() []uint32 { return []uint32{0, 1, 2, 3} }

// idOn is a job id whose shard is n.
func idOn(n uint16) job.ID {
	for i := range 1000 {
		id := job.NewID(time.Now(), [10]byte{9: byte(i), 8: byte(i >> 8)})
		if job.ShardOf(id, shards) == n {
			return id
		}
	}
	panic("no id for the shard")
}

// wantRefusal checks the code of an answer and what its text says.
func wantRefusal(tb testing.TB, err error, code codes.Code, says string) {
	tb.Helper()
	if status.Code(err) != code || !strings.Contains(err.Error(), says) {
		tb.Errorf("got %v, want %s that says %q", err, code, says)
	}
}

// jobNamed is an answer that says which scheduler gave it.
func jobNamed(id, by string) string { return fmt.Sprintf("%s by %s", id, by) }

// wait lets the time of the bubble pass.
func wait(d time.Duration) { <-time.After(d) }
