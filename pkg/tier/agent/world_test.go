package agent_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/credentials"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

const hostName = "web1.bj01"

// world is one host with its agent, in a bubble, and the aggregators of its room.
type world struct {
	*testing.T
	ca       *identity.CA
	user     ed25519.PrivateKey
	operator ed25519.PrivateKey
	hostKey  ed25519.PrivateKey

	host  *fakehost.Host
	state *agent.MemoryState
	aggs  []*aggregator
	down  sync.Map // addresses that nobody answers at

	alarms atomic.Int32              // log records of errors
	told   atomic.Pointer[time.Time] // the time from above that the executor was last told; nil: none

	recorder *obstest.Recorder // what the agent tells of itself
	traces   sync.Map          // of what was handed over: traceparents by command id

	operatorDir string // where this host is frozen; empty: it never is

	slowStart chan struct{} // answers of Start wait until it is closed; nil: they do not
	cgroup    string        // that the executor tells

	agent   *agent.Agent
	stop    context.CancelFunc
	stopped chan error
}

// inWorld runs a test in a bubble, in a world with n aggregators. The agent is
// not started yet.
func inWorld(t *testing.T, n int, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, n)
		defer func() {
			for _, a := range w.aggs {
				a.letGo()
				a.server.Stop()
			}
		}()
		defer w.crash()
		test(w)
	})
}

func newWorld(t *testing.T, n int) *world {
	t.Helper()
	ca, err := identity.NewCA("demo.ccs", 24*365*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ca: ca, recorder: obstest.New(t), host: fakehost.New(nil), state: &agent.MemoryState{}}
	w.user, w.operator, w.hostKey = w.newKey(), w.newKey(), w.newKey()
	for i := range n {
		server := &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{
			w.certificate(identity.Aggregator, fmt.Sprintf("agg%d", i+1), w.newKey()),
		}}
		w.aggs = append(w.aggs, newAggregator(fmt.Sprintf("agg%d", i+1), credentials.NewTLS(server)))
	}
	for _, a := range w.aggs {
		a.bundle = wire.EnvelopeToProto(w.bundle(1, time.Now().Add(24*time.Hour)))
	}
	return w
}

func (w *world) newKey() ed25519.PrivateKey {
	w.Helper()
	key, err := identity.NewKey()
	if err != nil {
		w.Fatal(err)
	}
	return key
}

func (w *world) certificate(role identity.Role, name string, key ed25519.PrivateKey) tls.Certificate {
	w.Helper()
	c, err := w.ca.IssueForKey(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: role, Name: name}, TTL: 24 * time.Hour}, key, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		w.Fatal(err)
	}
	return pair
}

// bundle lists the user, signed by the operator.
func (w *world) bundle(version uint64, expires time.Time) capsule.Envelope {
	w.Helper()
	b, err := policy.New(version, expires, []policy.User{{Name: "demo", Key: w.user.Public().(ed25519.PublicKey)}})
	if err != nil {
		w.Fatal(err)
	}
	signed, err := policy.SignBundle(b, w.operator)
	if err != nil {
		w.Fatal(err)
	}
	return signed
}

// boot starts the agent, and waits until all that it can do is done.
func (w *world) boot() {
	w.Helper()
	var addresses []string
	for _, a := range w.aggs {
		addresses = append(addresses, a.name+":7421")
	}
	cert := w.certificate(identity.Host, hostName, w.hostKey)
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	log = slog.New(counting{log.Handler(), &w.alarms})
	made, err := agent.New(agent.Config{Host: hostName, Aggregators: addresses}, agent.Deps{
		Log: log, Telemetry: w.recorder.Telemetry(), Executor: slowHost{w.host, w}, State: w.state, Operator: w.operator.Public().(ed25519.PublicKey),
		Enrol: func(context.Context, fleet.Incarnation) (agent.Credential, error) {
			config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}
			return agent.Credential{TLS: config, Key: w.hostKey, NotAfter: func() time.Time { return cert.Leaf.NotAfter }}, nil
		},
		Facts: map[string]string{"os": "linux", "agent_version": "v1"}, Frozen: w.frozen(),
		Dial: w.dial,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.agent = made
	ctx, stop := context.WithCancel(w.Context())
	w.stop, w.stopped = stop, make(chan error, 1)
	go func() { w.stopped <- made.Run(ctx) }()
	synctest.Wait()
}

// frozen is how the agent asks whether its host is.
func (w *world) frozen() func() (spool.Freeze, error) {
	if w.operatorDir == "" {
		return nil
	}
	return func() (spool.Freeze, error) { return spool.Frozen(w.operatorDir) }
}

// crash ends the agent; what it kept stays.
func (w *world) crash() {
	w.Helper()
	if w.agent == nil {
		return
	}
	w.stop()
	if err := <-w.stopped; err != nil {
		w.Errorf("the agent ended with %v", err)
	}
	w.agent = nil
	synctest.Wait()
}

func (w *world) dial(_ context.Context, addr string) (net.Conn, error) {
	if _, down := w.down.Load(addr); down {
		return nil, errors.New("connection refused")
	}
	for _, a := range w.aggs {
		if addr == a.name+":7421" {
			return a.dial()
		}
	}
	return nil, fmt.Errorf("nobody is at %s", addr)
}

// pass lets time go by, and all be done that it brings.
func (w *world) pass(d time.Duration) {
	w.Helper()
	<-time.After(d) // of the bubble
	synctest.Wait()
}

// ask is a job as a user signs it, for this host and two more.
type ask struct {
	payload capsule.Payload
	key     ed25519.PrivateKey
	index   uint64
	leaves  []capsule.Hash
}

// run is a job of a program.
func (w *world) run(argv ...string) *ask {
	a := w.ping()
	a.payload.Command.Kind, a.payload.Command.Argv = capsule.Argv, argv
	return a
}

// ping is a job without a program.
func (w *world) ping() *ask {
	now := time.Now()
	var random [10]byte
	_, _ = rand.Read(random[:])
	leaves := []capsule.Hash{
		capsule.LeafHash("db1.bj01", fleet.Incarnation{1}),
		capsule.LeafHash(hostName, w.host.Incarnation()),
		capsule.LeafHash("web2.bj01", fleet.Incarnation{2}),
	}
	return &ask{key: w.user, index: 1, leaves: leaves, payload: capsule.Payload{
		JobID: job.NewID(now, random), Class: "standard", Root: capsule.Root(leaves), Count: uint64(len(leaves)),
		NotBefore: now, NotAfter: now.Add(time.Hour),
		Command: capsule.Command{Kind: capsule.Ping, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}}
}

func (a *ask) id() job.ID  { return a.payload.JobID }
func (a *ask) cmd() string { return a.payload.JobID.String() }

// rerun lets the job be started again after a crash of the host.
func (a *ask) rerun() *ask {
	a.payload.Command.Recovery, a.payload.Command.MaxAttempts = capsule.RecoveryRerun, 3
	a.payload.RerunUntil = a.payload.NotAfter
	return a
}

// command is the job on its way to this host, signed now.
func (w *world) command(a *ask) *sessionv1.Command {
	w.Helper()
	return w.attempt(a, 1)
}

func (w *world) attempt(a *ask, attempt uint32) *sessionv1.Command {
	w.Helper()
	envelope, err := capsule.Sign(a.payload, a.key)
	if err != nil {
		w.Fatal(err)
	}
	tree, err := capsule.NewTree(a.leaves)
	if err != nil {
		w.Fatal(err)
	}
	proof, err := tree.Inclusion(a.index)
	if err != nil {
		w.Fatal(err)
	}
	shared := wire.EnvelopeToProto(envelope)
	if len(envelope.Payload) > wire.MaxCapsuleInline {
		shared = nil
		for _, agg := range w.aggs {
			agg.set(func(agg *aggregator) { agg.capsules[envelope.Digest()] = envelope })
		}
	}
	return wire.DeliveryToProto(wire.Delivery{
		Job: a.id(), Pool: "standard", Class: a.payload.Class, Attempt: attempt, Digest: envelope.Digest(), Proof: proof,
	}, shared)
}

// submit delivers a job at the first aggregator and waits until all is done.
func (w *world) submit(a *ask) *ask {
	w.Helper()
	w.aggs[0].deliver(w.command(a))
	synctest.Wait()
	return a
}

// said is the last that was said of a job; the test fails if nothing was.
func (w *world) said(a *ask) wire.Report {
	w.Helper()
	for _, agg := range w.aggs {
		if all := agg.heard(a.id()); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	w.Fatalf("nothing was said of job %s", a.id())
	return wire.Report{}
}

// outcome checks the last word on a job: state, reason, and the host's signature.
func (w *world) outcome(a *ask, state task.State, reason task.Reason) wire.Report {
	w.Helper()
	r := w.said(a)
	if r.Seen.State != state || r.Seen.Exit.Reason != reason {
		w.Fatalf("the job is %s %q (%s), want %s %q", r.Seen.State, r.Seen.Exit.Reason, r.Detail.Message, state, reason)
	}
	err := capsule.VerifyResult(capsule.Result{
		JobID: r.Job, Host: hostName, Incarnation: w.host.Incarnation(), Report: r.Seen,
		Started: r.Detail.StartedAt, Ended: r.Detail.EndedAt, Outputs: r.Detail.Outputs,
	}, r.Detail.Signature, w.hostKey.Public().(ed25519.PublicKey))
	if err != nil {
		w.Errorf("the result: %v", err)
	}
	if r.Pool != "standard" || r.Class != "standard" {
		w.Errorf("the report goes to pool %q, class %q", r.Pool, r.Class)
	}
	return r
}

// forget tells the host that a job's outcome is durable.
func (w *world) forget(a *ask) {
	w.Helper()
	w.aggs[0].wishForget(a.id())
	w.pass(12 * time.Second)
}

// startedOnce checks promise 2.
func (w *world) startedOnce(a *ask) {
	w.Helper()
	if n := w.host.Starts(a.cmd(), 1); n != 1 {
		w.Errorf("the job was started %d times", n)
	}
}

// startBehindTheAgent lets the executor run a job as an agent of before did.
func (w *world) startBehindTheAgent(a *ask) {
	w.Helper()
	_, err := w.host.Start(w.Context(), wire.StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: a.cmd(), StartBy: a.payload.NotAfter, RememberUntil: a.payload.NotAfter,
		Context: agent.Ticket("standard", "standard", 1), Run: spool.Run{Argv: a.payload.Command.Argv},
	}})
	if err != nil {
		w.Fatal(err)
	}
}

// counting counts what an operator is to look at.
type counting struct {
	slog.Handler
	errors *atomic.Int32
}

func (c counting) Enabled(context.Context, slog.Level) bool { return true }

func (c counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counting{c.Handler.WithAttrs(attrs), c.errors}
}

func (c counting) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		c.errors.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

// slowHost is the host's executor behind a slow socket.
type slowHost struct {
	*fakehost.Host
	w *world
}

// Info notes the time that it is told.
func (h slowHost) Info(ctx context.Context, heard time.Time) (agent.Info, error) {
	if !heard.IsZero() {
		h.w.told.Store(&heard)
	}
	info, err := h.Host.Info(ctx, heard)
	info.Cgroup, info.CgroupLimits = h.w.cgroup, []string{"memory", "pids"}
	return info, err
}

// Start notes the trace, and answers late.
func (h slowHost) Start(ctx context.Context, o wire.StartOrder) (agent.Answer, error) {
	traces, _ := h.w.traces.Load(o.Spec.ID)
	before, _ := traces.([]string)
	h.w.traces.Store(o.Spec.ID, append(before, obs.TraceParent(ctx)))
	a, err := h.Host.Start(ctx, o)
	if wait := h.w.slowStart; wait != nil {
		<-wait
	}
	return a, err
}
