package scheduler

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/charge"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/retention"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Deps is what a scheduler is given by its process.
type Deps struct {
	Log      *slog.Logger
	Identity *identity.Source
	Coord    coord.Client
	Store    store.Store // closed by who opened it, after Run
	// Version is that of the binary, for those who look at the members.
	Version string
	// Dial reaches an aggregator; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Telemetry is told what this scheduler does; zero: nobody is.
	Telemetry obs.Telemetry
}

// rooms is the way to the aggregators: mesh.Mesh, or what a test puts there.
type rooms interface {
	Run(ctx context.Context) error
	SetOwns(shards map[uint32]job.Epoch)
	Send(via fleet.Via, p *mesh.Payload, s job.Send, traces mesh.Traces)
	Waits(via fleet.Via, id job.ID, ordinal uint32) (mesh.Wait, bool)
	Forget(via fleet.Via, id job.ID, host fleet.HostID)
	FetchBlob(ctx context.Context, via fleet.Via, digest [32]byte, size uint64) ([]byte, error)
	FollowOutput(ctx context.Context, via fleet.Via, host fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error
}

// Scheduler is one process of a pool. It is safe for concurrent use; make it
// with [New].
type Scheduler struct {
	schedulerv1.UnimplementedSchedulerServiceServer
	schedulerv1.UnimplementedFleetServiceServer

	cfg     Config
	log     *slog.Logger
	id      *identity.Source
	coord   coord.Client
	store   store.Store
	version string

	telemetry obs.Telemetry
	requests  *obs.RequestMeter
	fenced    metric.Int64Counter

	writer    *commit.Writer
	hosts     *hosts.Table
	registry  *hosts.Writer
	shards    []*shard.Shard // by number
	rooms     rooms
	classes   *classes
	fetches   *fetches
	intake    *intake
	watches   *allowance    // watches of jobs that go on
	follows   *allowance    // outputs that are followed
	reading   *allowance    // bytes that are held for who reads outputs or target lists
	readers   chan struct{} // holds one for each call that reads all of a job
	readPiece int           // tasks that a shard shows such a call at a time
	ready     chan struct{}

	receivers sync.WaitGroup // of submissions, and what is being sent to viewers

	draining atomic.Bool
	keeper   atomic.Pointer[charge.Keeper] // nil until it runs
	unread   atomic.Pointer[error]         // why the store could not be read the last time
	polling  atomic.Pointer[time.Time]     // when it began to be read; nil: that has ended
	serves   atomic.Int64                  // len(owns)

	mu   sync.Mutex
	owns map[uint32]job.Epoch // under mu: shards that are served
}

// New returns a scheduler that is not serving yet.
func New(cfg Config, d Deps) (*Scheduler, error) {
	return newScheduler(cfg, d, func(s *Scheduler) (rooms, error) {
		return mesh.New(
			mesh.Config{Name: s.cfg.Name, Pool: s.cfg.Pool, Shards: s.cfg.Shards, BootID: rand.Text()},
			mesh.Deps{Log: d.Log, Identity: d.Identity, Coord: d.Coord, Dial: d.Dial, Telemetry: d.Telemetry}, sink{s})
	})
}

func newScheduler(cfg Config, d Deps, toRooms func(*Scheduler) (rooms, error)) (*Scheduler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	me := d.Identity.ID()
	if cfg.Name == "" {
		cfg.Name = me.Name
	}
	if me.Role != identity.Scheduler || me.Name != cfg.Name {
		return nil, fmt.Errorf("cannot be scheduler %q of pool %q: the certificate is of %s; give the name that it has", cfg.Name, cfg.Pool, me)
	}
	s := &Scheduler{
		cfg: cfg, log: d.Log, id: d.Identity, coord: d.Coord, store: d.Store, version: d.Version,
		telemetry: d.Telemetry, requests: obs.NewRequestMeter(d.Telemetry, "SubmitJob"),
		fenced: d.Telemetry.Counter(obs.ShardsFenced),
		writer: commit.New(d.Store, d.Log, d.Telemetry), hosts: hosts.NewTable(d.Store, d.Log), classes: newClasses(),
		fetches: newFetches(), intake: newIntake(), readers: make(chan struct{}, mostReaders), readPiece: readPiece,
		watches: newAllowance(maxWatches), follows: newAllowance(maxFollows), reading: newAllowance(maxReading),
		ready: make(chan struct{}), owns: map[uint32]job.Epoch{},
	}
	s.unread.Store(new(errUnread))
	s.registry = hosts.NewWriter(s.hosts, d.Store, s.writer, cfg.Name, d.Log)
	s.registry.Beside = retention.New(cfg.Retention, d.Store, d.Log, d.Telemetry).Run
	var err error
	if s.rooms, err = toRooms(s); err != nil {
		return nil, err
	}
	inHand := make(chan struct{}, 1)
	for n := range cfg.Shards {
		s.shards = append(s.shards, shard.New(job.ShardID{Pool: cfg.Pool, N: uint16(n)}, cfg.Name, shard.Deps{
			Log: d.Log, Store: d.Store, Commit: s.writer, Hosts: s.hosts, Send: s.rooms.Send, Forget: s.rooms.Forget, Serving: s.serving,
			InHand: inHand, Telemetry: d.Telemetry, TraceTasks: cfg.Trace.Tasks,
		}))
	}
	s.gauges()
	return s, nil
}

// Ready is closed when it serves and has been announced.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// charges are what this process may be the one to run.
func (s *Scheduler) charges() []charge.Charge {
	all := make([]charge.Charge, 0, len(s.shards)+1)
	for n, sh := range s.shards {
		all = append(all, charge.Charge{Key: coord.ShardKey(s.cfg.Pool, uint32(n)), Run: s.counted(sh.Run), Prove: sh.Prove, Label: sh.ID()})
	}
	return append(all, charge.Charge{Key: coord.HostTableKey, Any: true, Run: s.counted(s.registry.Run), Label: hosts.Shard()})
}

// counted counts the ownerships that the store ends.
func (s *Scheduler) counted(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := run(ctx)
		if errors.Is(err, store.ErrFenced) {
			s.fenced.Add(ctx, 1)
		}
		return err
	}
}

// serving notes that a shard begins or ends to be served, and tells the rooms.
func (s *Scheduler) serving(id job.ShardID, epoch job.Epoch, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.hosts.Under(epoch.Generation)
		s.owns[uint32(id.N)] = epoch
	} else {
		delete(s.owns, uint32(id.N))
	}
	s.serves.Store(int64(len(s.owns)))
	s.rooms.SetOwns(s.owns)
}

// shardOf is the shard of a job, if its pool is this one's.
func (s *Scheduler) shardOf(id job.ID) *shard.Shard {
	return s.shards[job.ShardOf(id, uint16(s.cfg.Shards))]
}

// advertised is the address that others dial.
func (s *Scheduler) advertised(lis net.Listener) (string, error) {
	if s.cfg.Advertise != "" {
		return s.cfg.Advertise, nil
	}
	address := lis.Addr().String()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address, nil //nolint:nilerr // a listener in memory has an address of its own kind
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return "", errors.New("advertise is not set, and listen names no host: give advertise, the host:port that others can dial")
	}
	return address, nil
}
