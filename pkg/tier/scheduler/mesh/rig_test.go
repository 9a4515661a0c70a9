package mesh_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// rig is a mesh and the aggregators that a test scripts.
type rig struct {
	t    *testing.T
	ca   *identity.CA
	hub  *memory.Hub
	mesh *mesh.Mesh
	sink *sink
	told *obstest.Recorder

	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
}

// inBubble runs a test with a mesh in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca, err := identity.NewCA("demo.ccs", time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, ca: ca, hub: memory.New(), sink: newSink(), told: obstest.New(t), listeners: map[string]*bufconn.Listener{}}
		if err := coord.PutClass(t.Context(), r.hub, "std", "p"); err != nil {
			t.Fatal(err)
		}
		r.mesh, err = mesh.New(mesh.Config{Name: "s1", Pool: "p", Shards: 4, BootID: "boot", Window: 100},
			mesh.Deps{Log: slog.New(slog.DiscardHandler), Identity: r.source(identity.Scheduler, "s1"), Coord: r.hub, Dial: r.dial, Telemetry: r.told.Telemetry()}, r.sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := r.mesh.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(t, r)
		cancel()
		running.Wait()
	})
}

func (r *rig) source(role identity.Role, name string) *identity.Source {
	r.t.Helper()
	id, err := identity.NewID("demo.ccs", role, name)
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := identity.NewKey()
	if err != nil {
		r.t.Fatal(err)
	}
	credential, err := r.ca.IssueForKey(identity.Request{ID: id, TTL: time.Hour}, key, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	dir := r.t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	if err := credential.Save(files); err != nil {
		r.t.Fatal(err)
	}
	s, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) dial(ctx context.Context, addr string) (net.Conn, error) {
	r.mu.Lock()
	l := r.listeners[addr]
	r.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nobody listens at %s", addr)
	}
	return l.DialContext(ctx)
}

// aggregator is a scripted one: a test reads what it is sent and says what it
// answers. It is a stream's worth: see hear and say.
type aggregator struct {
	meshv1.UnimplementedMeshServiceServer

	t       *testing.T
	name    string
	version uint32
	blobs   map[string][]byte
	heard   chan *meshv1.ConnectRequest
	say     chan *meshv1.ConnectResponse
	hello   chan *meshv1.SchedulerHello
	breaks  chan struct{} // ends the stream that is open
	deaf    atomic.Bool   // it reads nothing after the hello
}

// aggregator starts one of room b and announces it.
func (r *rig) aggregator(name string) *aggregator {
	r.t.Helper()
	return r.aggregatorOf(name, 1)
}

// aggregatorOf is one that speaks a version of the contract.
func (r *rig) aggregatorOf(name string, version uint32) *aggregator {
	r.t.Helper()
	a := r.newAggregator(name, version)
	r.serve(a)
	return a
}

// newAggregator is one that does not serve yet.
func (r *rig) newAggregator(name string, version uint32) *aggregator {
	return &aggregator{
		t: r.t, name: name, version: version, blobs: map[string][]byte{},
		heard: make(chan *meshv1.ConnectRequest, 100), say: make(chan *meshv1.ConnectResponse),
		hello: make(chan *meshv1.SchedulerHello, 10), breaks: make(chan struct{}),
	}
}

func (r *rig) serve(a *aggregator) {
	r.t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(r.source(identity.Aggregator, a.name).ServerTLS(identity.Scheduler))),
		grpc.StaticStreamWindowSize(64<<10), grpc.StaticConnWindowSize(1<<20))
	meshv1.RegisterMeshServiceServer(server, a)
	r.mu.Lock()
	r.listeners[a.name] = lis
	r.mu.Unlock()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(lis) })
	r.t.Cleanup(func() { server.Stop(); running.Wait() })
	session, err := r.hub.Grant(r.t.Context(), 10*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = session.Close(context.WithoutCancel(r.t.Context())) })
	if err := coord.PutMember(r.t.Context(), session, coord.Member{Kind: coord.Aggregator, Name: a.name, Addr: a.name, Room: "b"}); err != nil {
		r.t.Fatal(err)
	}
}

// Connect follows the script of one stream.
func (a *aggregator) Connect(s grpc.BidiStreamingServer[meshv1.ConnectRequest, meshv1.ConnectResponse]) error {
	first, err := s.Recv()
	if err != nil {
		return err
	}
	a.hello <- first.GetHello()
	if a.version == 0 { // it does not answer
		<-s.Context().Done()
		return nil
	}
	err = s.Send(&meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Hello{Hello: &meshv1.AggregatorHello{
		Version: a.version, Aggregator: a.name, Room: "b", SpoolId: "spool",
		Credits: []*typesv1.ClassCredit{{Class: "std", More: 1000}},
	}}})
	if err != nil {
		return err
	}
	var hearing sync.WaitGroup
	hearing.Go(func() {
		if a.deaf.Load() {
			<-s.Context().Done()
			return
		}
		for {
			msg, err := s.Recv()
			if err != nil {
				return
			}
			a.heard <- msg
		}
	})
	for {
		select {
		case <-a.breaks:
			return io.ErrUnexpectedEOF
		case <-s.Context().Done():
			return nil
		case msg := <-a.say:
			if err := s.Send(msg); err != nil {
				return err
			}
		}
	}
}

// FetchBlob serves what the test has put there, in two pieces.
func (a *aggregator) FetchBlob(req *meshv1.FetchBlobRequest, s grpc.ServerStreamingServer[meshv1.FetchBlobResponse]) error {
	content := a.blobs[string(req.GetDigest())]
	half := len(content) / 2
	if err := s.Send(&meshv1.FetchBlobResponse{Content: content[:half]}); err != nil {
		return err
	}
	return s.Send(&meshv1.FetchBlobResponse{Content: content[half:]})
}

// sink notes what came up.
type sink struct {
	reports     chan mesh.Batch
	attachments chan mesh.Attachments
	returns     chan mesh.Returns
	lost        chan fleet.Via
}

func newSink() *sink {
	return &sink{
		reports: make(chan mesh.Batch, 10), attachments: make(chan mesh.Attachments, 10),
		returns: make(chan mesh.Returns, 10), lost: make(chan fleet.Via, 10),
	}
}

func (s *sink) Reports(_ context.Context, b mesh.Batch)            { s.reports <- b }
func (s *sink) Attachments(_ context.Context, a mesh.Attachments)  { s.attachments <- a }
func (s *sink) Returns(_ context.Context, r mesh.Returns)          { s.returns <- r }
func (s *sink) Lost(_ context.Context, via fleet.Via, _ time.Time) { s.lost <- via }
func reports(r *meshv1.Reports) *meshv1.ConnectResponse {
	return &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Reports{Reports: r}}
}
