package scheduler

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
	coordmemory "github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// rig is a pool in memory: a store, a coordination service, rooms, and
// schedulers with ports over mutual TLS.
type rig struct {
	*testing.T
	hub   *coordmemory.Hub
	store *memory.Store
	world *world
	ca    *identity.CA
	dir   string
	key   ed25519.PrivateKey // of the user
	log   *slog.Logger
	all   map[string]*member
	last  *member            // that was started last
	conns []*grpc.ClientConn // of access and issuer, by turns
}

// member is a scheduler of the rig.
type member struct {
	*Scheduler
	rooms *fakeRooms
	stop  context.CancelFunc
	done  chan error
	api   schedulerv1.SchedulerServiceClient
	fleet schedulerv1.FleetServiceClient
	lis   *bufconn.Listener
}

// pool is a rig with one scheduler and these hosts, all of them in room bj01 and
// attached.
func pool(t *testing.T, hosts int) *rig {
	t.Helper()
	r := newRig(t)
	r.start("s1")
	for i := range hosts {
		r.addHost(hostName(i))
		r.world.attach(hostName(i))
	}
	synctest.Wait()
	return r
}

func hostName(i int) fleet.HostID { return fleet.HostID(fmt.Sprintf("h%03d", i)) }

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		T: t, hub: coordmemory.New(), store: memory.New(), world: newWorld(t), dir: t.TempDir(),
		log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), all: map[string]*member{},
	}
	var err error
	if r.ca, err = identity.NewCA("demo.ccs", 240*time.Hour, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, r.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"standard", "urgent"} {
		if err := coord.PutClass(t.Context(), r.hub, class, "standard"); err != nil {
			t.Fatal(err)
		}
	}
	if err := coord.PutClass(t.Context(), r.hub, "critical", "critical"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) source(role identity.Role, name string) *identity.Source {
	r.Helper()
	id, err := identity.NewID("demo.ccs", role, name)
	if err != nil {
		r.Fatal(err)
	}
	c, err := r.ca.IssueWithKey(identity.Request{ID: id, TTL: 240 * time.Hour}, time.Now())
	if err != nil {
		r.Fatal(err)
	}
	base := filepath.Join(r.dir, string(role)+"-"+name)
	files := identity.Files{Cert: base + ".crt", Key: base + ".key", CA: base + ".ca"}
	if err := c.Save(files); err != nil {
		r.Fatal(err)
	}
	s, err := identity.NewSource(files, r.log)
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func config() Config {
	cfg := DefaultConfig()
	cfg.Pool, cfg.Shards, cfg.Advertise = "standard", 4, "scheduler:7410"
	return cfg
}

// start starts a scheduler and waits until it is ready.
func (r *rig) start(name string) *member { return r.startWith(name, func(*Deps) {}) }

func (r *rig) startWith(name string, change func(*Deps)) *member {
	r.Helper()
	m := r.launch(name, change)
	<-m.Ready()
	r.all[name], r.last = m, m
	return m
}

// launch starts a scheduler that may never be ready.
func (r *rig) launch(name string, change func(*Deps)) *member {
	r.Helper()
	m := &member{done: make(chan error, 1)}
	cfg := config()
	deps := Deps{
		Log: r.log.With("scheduler", name), Identity: r.source(identity.Scheduler, name), Coord: r.hub, Store: r.store,
	}
	change(&deps)
	var err error
	m.Scheduler, err = newScheduler(cfg, deps, func(s *Scheduler) (rooms, error) {
		m.rooms = r.world.join(name, cfg.Shards, sink{s})
		return m.rooms, nil
	})
	if err != nil {
		r.Fatal(err)
	}
	lis := bufconn.Listen(1 << 20)
	m.lis = lis
	ctx, stop := context.WithCancel(r.Context())
	m.stop = stop
	go func() { m.done <- m.Run(ctx, lis) }()
	r.Cleanup(func() {
		stop()
		if err := <-m.done; err != nil {
			r.Errorf("scheduler %s ended with %v", name, err)
		}
		m.done <- nil
	})
	m.api = schedulerv1.NewSchedulerServiceClient(r.dial(lis, identity.Access, name))
	m.fleet = schedulerv1.NewFleetServiceClient(r.dial(lis, identity.Issuer, name))
	return m
}

// dial opens a connection to a scheduler as somebody.
func (r *rig) dial(lis *bufconn.Listener, as identity.Role, scheduler string) *grpc.ClientConn {
	r.Helper()
	conn, err := grpc.NewClient("passthrough:///scheduler",
		grpc.WithTransportCredentials(credentials.NewTLS(r.source(as, "x").ClientTLS(identity.Scheduler, scheduler))),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(1<<20), // as access has them: what is not read is not taken
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	r.conns = append(r.conns, conn)
	return conn
}

// end stops a scheduler in good order and waits for it.
func (r *rig) end(m *member) {
	r.Helper()
	m.stop()
	if err := <-m.done; err != nil {
		r.Errorf("scheduler ended with %v", err)
	}
	m.done <- nil
	delete(r.all, m.cfg.Name)
}

// whole waits until a scheduler serves so many shards.
func (r *rig) whole(m *member, shards int) {
	r.Helper()
	r.until(fmt.Sprintf("%d shards at %s", shards, m.cfg.Name), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.owns) == shards
	})
}

// until waits, up to a minute of the bubble's time, for something to be so.
func (r *rig) until(what string, so func() bool) {
	r.Helper()
	for give := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(give) {
			r.Fatalf("after a minute there is still no %s", what)
		}
		timer := time.NewTimer(20 * time.Millisecond)
		<-timer.C
		synctest.Wait()
	}
}

// addHost enrols a host in room bj01, through the port as the issuer does.
func (r *rig) addHost(id fleet.HostID) *fakeHost {
	r.Helper()
	h := r.world.add(id, "bj01", "agg-1")
	r.register(h, nil)
	return h
}

func (r *rig) row(h *fakeHost) *typesv1.Host {
	key := sha256.Sum256([]byte("key of " + h.id))
	return &typesv1.Host{
		Id: string(h.id), Address: "10.0.0.1", Room: string(h.room), Labels: map[string]string{"app": "web"},
		Incarnation: h.inc[:], PublicKey: key[:], KeyState: typesv1.KeyState_KEY_STATE_ACCEPTED,
	}
}

func (r *rig) register(h *fakeHost, change func(*typesv1.Host)) {
	r.Helper()
	row := r.row(h)
	if change != nil {
		change(row)
	}
	r.until("registered "+string(h.id), func() bool {
		_, err := r.last.fleet.RegisterHost(r.Context(), &schedulerv1.RegisterHostRequest{Host: row})
		if err != nil && !wire.IsNotOwner(err) {
			r.Fatalf("host %s is not registered: %v", h.id, err)
		}
		return err == nil
	})
}

func caller() *identityv1.Caller {
	return &identityv1.Caller{User: "ann", SpiffeId: "spiffe://demo.ccs/user/ann"}
}

// order is a submission that a test may spoil before it is sent.
type order struct {
	id         job.ID
	payload    capsule.Payload
	rollout    job.Rollout
	resolution *accessv1.Resolution
	note       string
	rooms      []*typesv1.RoomTargets
}

// resolve asks for hosts as a client does.
func (r *rig) resolve(q *accessv1.TargetQuery) ([]*typesv1.RoomTargets, *accessv1.Resolution, error) {
	r.Helper()
	stream, err := r.last.api.ResolveTargets(r.Context(), &schedulerv1.ResolveTargetsRequest{
		Caller: caller(), Request: &accessv1.ResolveTargetsRequest{Query: q},
	})
	if err != nil {
		r.Fatal(err)
	}
	var rooms []*typesv1.RoomTargets
	var resolution *accessv1.Resolution
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return rooms, resolution, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if m.GetResponse().GetResolution() != nil {
			resolution = m.GetResponse().GetResolution()
		}
		rooms = append(rooms, m.GetResponse().GetRooms()...)
	}
}

// order makes a job for all hosts.
func (r *rig) order() *order {
	r.Helper()
	rooms, resolution, err := r.resolve(&accessv1.TargetQuery{All: true})
	if err != nil {
		r.Fatal(err)
	}
	var random [10]byte
	_, _ = rand.Read(random[:])
	now := time.Now()
	o := &order{id: job.NewID(now, random), rollout: job.Rollout{Deadline: now.Add(time.Hour)}, resolution: resolution, rooms: rooms}
	o.payload = capsule.Payload{
		JobID: o.id, Class: "standard", NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		Command: capsule.Command{Kind: capsule.Argv, Argv: []string{"/bin/true"}, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}
	o.sign(r.T)
	return o
}

// sign puts the root of the list into the payload.
func (o *order) sign(t *testing.T) {
	t.Helper()
	var leaves []capsule.Hash
	for _, room := range o.rooms {
		for _, target := range room.GetTargets() {
			inc, err := wire.Incarnation(target.GetIncarnation())
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, capsule.LeafHash(fleet.HostID(target.GetHostId()), inc))
		}
	}
	o.payload.Root, o.payload.Count = capsule.Root(leaves), uint64(len(leaves))
}

// send submits an order to a scheduler.
func (r *rig) send(m *member, o *order) (*accessv1.SubmitJobResponse, error) {
	r.Helper()
	envelope, err := capsule.Sign(o.payload, r.key)
	if err != nil {
		r.Fatal(err)
	}
	return r.sendSealed(m, o, envelope)
}

func (r *rig) sendSealed(m *member, o *order, envelope capsule.Envelope) (*accessv1.SubmitJobResponse, error) {
	r.Helper()
	stream, err := m.api.SubmitJob(r.Context())
	if err != nil {
		return nil, err
	}
	header := &accessv1.SubmitJobHeader{
		Capsule: wire.EnvelopeToProto(envelope), Rollout: wire.RolloutToProto(o.rollout), Resolution: o.resolution, Note: o.note,
	}
	_ = stream.Send(&schedulerv1.SubmitJobRequest{Caller: caller(), Request: &accessv1.SubmitJobRequest{Header: header}})
	for _, room := range o.rooms { // an early end is told by the answer
		_ = stream.Send(&schedulerv1.SubmitJobRequest{Request: &accessv1.SubmitJobRequest{Rooms: []*typesv1.RoomTargets{room}}})
	}
	resp, err := stream.CloseAndRecv()
	return resp.GetResponse(), err
}

// submit submits an order that has to be accepted, to whoever owns its shard.
func (r *rig) submit(o *order) *typesv1.Job {
	r.Helper()
	var got *accessv1.SubmitJobResponse
	r.until("owner that takes job "+o.id.String(), func() bool {
		for _, m := range r.all {
			resp, err := r.send(m, o)
			if err == nil {
				got = resp
				return true
			}
			if !wire.IsNotOwner(err) && wire.RetryDelay(err) == 0 {
				r.Fatalf("the job is refused: %v", err)
			}
		}
		return false
	})
	return got.GetJob()
}

// run submits a job for all hosts.
func (r *rig) run() *order {
	r.Helper()
	o := r.order()
	r.submit(o)
	return o
}

// job is the job as its owner shows it.
func (r *rig) job(id job.ID) *typesv1.Job {
	r.Helper()
	for _, m := range r.all {
		resp, err := m.api.GetJob(r.Context(), &schedulerv1.GetJobRequest{Caller: caller(), Request: &accessv1.GetJobRequest{JobId: id.String()}})
		if err == nil {
			return resp.GetResponse().GetJob()
		}
	}
	return nil
}

// done waits until a job is done.
func (r *rig) done(id job.ID) *typesv1.Job {
	r.Helper()
	r.until("end of job "+id.String(), func() bool { return r.job(id).GetState() == typesv1.JobState_JOB_STATE_DONE })
	return r.job(id)
}

// counts are the counts of a job, by state.
func counts(j *typesv1.Job) map[string]int {
	out := map[string]int{}
	for _, c := range j.GetCounts() {
		out[c.GetState().String()[len("TASK_STATE_"):]] = int(c.GetCount())
	}
	return out
}

// tasks lists the tasks of a job.
func (r *rig) tasks(id job.ID, change func(*accessv1.ListTasksRequest)) []*typesv1.Task {
	r.Helper()
	req := &accessv1.ListTasksRequest{JobId: id.String(), PageSize: 2}
	if change != nil {
		change(req)
	}
	var all []*typesv1.Task
	for {
		resp, err := r.last.api.ListTasks(r.Context(), &schedulerv1.ListTasksRequest{Caller: caller(), Request: req})
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, resp.GetResponse().GetTasks()...)
		if req.PageToken = resp.GetResponse().GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// output reads an output.
func (r *rig) output(id job.ID, digest []byte) ([]byte, error) {
	r.Helper()
	stream, err := r.last.api.GetOutput(r.Context(), &schedulerv1.GetOutputRequest{
		Caller: caller(), Request: &accessv1.GetOutputRequest{JobId: id.String(), Digest: digest},
	})
	if err != nil {
		return nil, err
	}
	var all []byte
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if n := len(m.GetResponse().GetContent()); n > pieceOfOutput {
			r.Errorf("a piece of output has %d bytes", n)
		}
		all = append(all, m.GetResponse().GetContent()...)
	}
}
