package aggregator

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
	spool "github.com/ccs-project/ccs/pkg/state/roomspool/memory"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// world is one aggregator in a bubble, with real gRPC and mutual TLS, and
// scripted peers.
type world struct {
	t     *testing.T
	cfg   Config
	ca    *identity.CA
	coord *memory.Hub
	log   *journal
	told  *obstest.Recorder // what it tells of itself
	disk  *spool.Disk       // nil: nothing outlives it
	user  ed25519.PrivateKey

	server        *Server
	mesh, session *bufconn.Listener
	stop          func()
	peers         []func() // hang up
	jobs          int
	ends          error // how the aggregator is to end; nil: without one
}

// inBubble runs a test in a world of its own, and ends all of it.
func inBubble(t *testing.T, test func(t *testing.T, w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, cfg: DefaultConfig(), coord: memory.New(), log: &journal{}, told: obstest.New(t)}
		w.cfg.Name, w.cfg.Room, w.cfg.Advertise = "agg-1", "bj01", "agg-1:7420"
		for _, f := range change {
			f(&w.cfg)
		}
		var err error
		if w.ca, err = identity.NewCA("demo.ccs", 100*time.Hour, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, w.user, err = ed25519.GenerateKey(nil); err != nil {
			t.Fatal(err)
		}
		w.start()
		defer func() { // in the bubble: a cleanup of t would come too late after a Fatal
			for _, hangUp := range w.peers {
				hangUp()
			}
			w.stop()
		}()
		test(t, w)
	})
}

// start starts the aggregator, or another one in its place.
func (w *world) start() {
	w.t.Helper()
	w.startTelling(w.told.Telemetry())
}

// startTelling starts one that tells somebody else of itself.
func (w *world) startTelling(t obs.Telemetry) {
	w.t.Helper()
	var kept Spool
	if w.disk != nil {
		opened, err := w.disk.Open()
		if err != nil {
			w.t.Fatal(err)
		}
		kept = opened
	}
	server, err := New(w.cfg, Deps{
		Spool: kept,
		Log:   slog.New(slog.NewTextHandler(w.log, nil)), Identity: w.source(identity.Aggregator, w.cfg.Name), Coord: w.coord, Telemetry: t,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.server, w.mesh, w.session = server, bufconn.Listen(1<<20), bufconn.Listen(64<<10)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, w.mesh, w.session) }()
	w.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, w.ends) {
			w.t.Errorf("the aggregator ended with %v", err)
		}
		if w.disk != nil {
			w.disk.Crash() // closed, by who opened it
		}
		w.stop = func() {}
	}
	<-server.Ready()
}

func (w *world) source(role identity.Role, name string) *identity.Source {
	w.t.Helper()
	id, err := identity.NewID(w.ca.Domain(), role, name)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.ca.IssueWithKey(identity.Request{ID: id, TTL: 50 * time.Hour}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	if err := c.Save(files); err != nil {
		w.t.Fatal(err)
	}
	source, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	return source
}

// dial is a connection of somebody to one of the ports.
func (w *world) dial(role identity.Role, name string, port *bufconn.Listener) *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient("passthrough:///aggregator",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return port.DialContext(ctx) }),
		grpc.WithTransportCredentials(credentials.NewTLS(w.source(role, name).ClientTLS(identity.Aggregator))),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(128<<10),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// settle lets everything happen that needs no time to pass.
func (w *world) settle() { synctest.Wait() }

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// empty fails unless the hub holds nothing of any job.
func (w *world) empty() {
	w.t.Helper()
	h := w.server.hub
	h.sweep(time.Now().Add(idleJob))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tasks.total() != 0 || len(h.jobs) != 0 || len(h.capsules) != 0 || h.blobs.held.total() != 0 || len(h.blobs.by) != 0 {
		w.t.Errorf("the hub still holds %d tasks, %d jobs, %d capsules, %d blobs with %d bytes",
			h.tasks.total(), len(h.jobs), len(h.capsules), len(h.blobs.by), h.blobs.held.total())
	}
	for _, st := range h.streams {
		for _, c := range st.classes {
			if c.out.Len() != 0 {
				w.t.Errorf("%d reports of class %s are still queued for %s", c.out.Len(), c.class, st.name)
			}
		}
	}
	for id, ho := range h.hosts {
		if len(ho.tasks) != 0 || ho.queued != 0 || ho.forgets.size() != 0 || len(ho.uploads) != 0 || ho.live.n != 0 {
			w.t.Errorf("host %s still has %d tasks, %d releases, %d forgets, %d uploads, %d live", id, len(ho.tasks), ho.queued, ho.forgets.size(), len(ho.uploads), ho.live.n)
		}
	}
}

// ask looks into the hub.
func ask[T any](w *world, what func(*hub) T) T {
	w.server.hub.mu.Lock()
	defer w.server.hub.mu.Unlock()
	return what(w.server.hub)
}

// aJob is a signed job for some targets, all in one room.
type aJob struct {
	id       job.ID
	class    string
	envelope capsule.Envelope
	targets  []job.Target
	tree     *capsule.RangeTree
}

// job makes a job of a class with a script of some size; 0: a ping.
func (w *world) job(class string, script int, hosts ...string) *aJob {
	w.t.Helper()
	w.jobs++
	j := &aJob{id: job.NewID(time.Now(), [10]byte{byte(w.jobs >> 8), byte(w.jobs)}), class: class}
	slices.Sort(hosts)
	var leaves []capsule.Hash
	for _, h := range hosts {
		t := job.Target{Host: fleet.HostID(h), Incarnation: incarnationOf(h)}
		j.targets = append(j.targets, t)
		leaves = append(leaves, capsule.LeafHash(t.Host, t.Incarnation))
	}
	var err error
	if j.tree, err = capsule.NewTree(leaves); err != nil {
		w.t.Fatal(err)
	}
	p := capsule.Payload{
		JobID: j.id, Class: class, Root: j.tree.Root(), Count: uint64(len(leaves)), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		Command: capsule.Command{Kind: capsule.Ping, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}
	if script > 0 {
		p.Command.Kind, p.Command.Interpreter, p.Command.Script = capsule.Script, []string{"sh"}, bytes.Repeat([]byte("x"), script)
	}
	if j.envelope, err = capsule.Sign(p, w.user); err != nil {
		w.t.Fatal(err)
	}
	return j
}

// incarnationOf is the first incarnation of a host of these tests.
func incarnationOf(host string) fleet.Incarnation {
	sum := sha256.Sum256([]byte(host))
	return fleet.Incarnation(sum[:16])
}

// journal is a log to read in tests.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

// within fails if a test took virtual time.
func within(t *testing.T, most time.Duration, what string, do func()) {
	t.Helper()
	began := time.Now()
	do()
	if took := time.Since(began); took > most {
		t.Errorf("%s took %s, at most %s is allowed", what, took, most)
	}
}

func hostName(n int) string { return fmt.Sprintf("h%03d", n) }
