package cctest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/coord"
	coordmemory "github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/state/store"
	storememory "github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/retention"
)

// Shape says what to build. Its zero value is the cluster of the demo, with
// two hosts in each room.
type Shape struct {
	Rooms              []string         // default: bj01 and sh01
	AggregatorsPerRoom int              // default: 2
	HostsPerRoom       int              // default: 2
	Away               []string         // hosts that have enrolled and are not there
	NoPush             bool             // aggregators leave commands to wait for a heartbeat
	Told               bool             // processes tell what they do: see [Cluster.Told]
	Retention          retention.Config // of all schedulers; zero: the defaults
}

func (s Shape) withDefaults() Shape {
	if len(s.Rooms) == 0 {
		s.Rooms = []string{"bj01", "sh01"}
	}
	if s.AggregatorsPerRoom == 0 {
		s.AggregatorsPerRoom = 2
	}
	if s.HostsPerRoom == 0 {
		s.HostsPerRoom = 2
	}
	return s
}

// pools are the scheduler pools with the number of their processes; each
// serves the class of its name.
var pools = map[string]int{"standard": 2, "critical": 1}

// Cluster is a running cluster. Its verbs take the names of processes, such as
// "scheduler-standard-1", "aggregator-bj01-2", "access-1", "issuer" and
// "agent-h3", and fail the test if they cannot do what they are asked. They
// are for the test's own goroutine.
type Cluster struct {
	t     tb
	ctx   context.Context // of all processes; ends with the test
	shape Shape
	net   *network
	hub   *coordmemory.Hub
	store *storememory.Store
	trust *trust
	logs  *logs

	meddler   *meddler
	patience  time.Duration // of those who wait for something
	processes map[string]*process
	order     []string                     // of the processes, as they are to be started
	told      map[string]*obstest.Recorder // by process
	hosts     map[string]*Host
	storeAway atomic.Bool
	tamper    func(*store.Record)
	doors     map[string]net.Listener // of access, where they are real
	conn      *grpc.ClientConn
	client    *client.Client
}

// Start builds a cluster inside the bubble of the test and comes back when
// every process serves and every host that is not to be away is attached. It
// ends with the test.
func Start(t *testing.T, shape Shape) *Cluster {
	t.Helper()
	return build(t, shape, false)
}

func build(t tb, shape Shape, reachable bool) *Cluster {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the end is in order, in cleanup
	c := &Cluster{
		t: t, ctx: ctx, shape: shape.withDefaults(),
		net: newNetwork(), hub: coordmemory.New(), store: storememory.New(), trust: newTrust(t), logs: &logs{}, meddler: &meddler{}, patience: patience,
		processes: map[string]*process{}, hosts: map[string]*Host{}, told: map[string]*obstest.Recorder{},
	}
	t.Cleanup(func() { c.end(cancel) })
	c.seed()
	c.plan()
	if reachable {
		c.openDoors()
	}
	var control, agents []*process
	for _, p := range c.find(c.order) {
		if p.tier == tierAgent {
			agents = append(agents, p)
		} else {
			control = append(control, p)
		}
	}
	c.openClient()
	c.start(control)
	c.start(agents)
	c.Attached(slices.Sorted(maps.Keys(c.hosts))...)
	for _, name := range c.shape.Away {
		c.Host(name).Away()
	}
	return c
}

// seed writes into etcd what an operator decides.
func (c *Cluster) seed() {
	c.t.Helper()
	for pool := range pools {
		must(c.t, coord.PutClass(c.ctx, c.hub, pool, pool))
	}
	must(c.t, coord.PutBundle(c.ctx, c.hub, c.trust.bundle))
}

// end stops everything and then says what no test may see.
func (c *Cluster) end(cancel context.CancelFunc) {
	_ = c.conn.Close() // in memory: nothing can fail
	for _, name := range slices.Backward(c.order) {
		if p := c.processes[name]; p.running() {
			p.stop(c)
		}
		if err := c.processes[name].fault(); err != nil {
			c.t.Error(err)
		}
	}
	cancel()
	for _, h := range c.hosts {
		h.check()
	}
	if alarms := c.logs.alarms(); len(alarms) > 0 {
		c.t.Errorf("errors were logged that a person would have to look at:\n%s", strings.Join(alarms, ""))
	}
	if c.t.Failed() {
		c.t.Logf("the end of the logs:\n%s", c.logs)
	}
}

// Processes are the names of all processes.
func (c *Cluster) Processes() []string { return slices.Clone(c.order) }

// Context lives as long as the cluster.
func (c *Cluster) Context() context.Context { return c.ctx }

func (c *Cluster) log(process string) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.logs, &slog.HandlerOptions{Level: slog.LevelInfo})).With("process", process)
}

// telemetry is what a process is given; over all its lives it is told to one.
func (c *Cluster) telemetry(process string) obs.Telemetry {
	if !c.shape.Told {
		return obs.Telemetry{}
	}
	if c.told[process] == nil {
		c.told[process] = obstest.New(c.t)
	}
	return c.told[process].Telemetry()
}

// Told is what a process has told of what it does, if the shape says that it is
// to be kept.
func (c *Cluster) Told(process string) *obstest.Recorder {
	c.t.Helper()
	if c.told[process] == nil {
		c.t.Fatalf("nothing is kept of what %s tells", process)
	}
	return c.told[process]
}

// await waits until a process serves.
func (c *Cluster) await(ready <-chan struct{}, p *process) {
	c.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-ready:
	case <-p.ended:
		c.t.Fatal(p.fault())
	case <-limit.C:
		c.t.Fatalf("%s does not serve after %s\n%s", p.name, patience, c.state())
	}
}

// Tamper is done to every job that a scheduler loads from the store from now on.
// Call it while no scheduler runs.
func (c *Cluster) Tamper(with func(*store.Record)) { c.tamper = with }

// CommitFails makes the next commit to the store fail: with applied it was
// applied all the same, and only the answer is lost.
func (c *Cluster) CommitFails(applied bool) {
	if applied {
		c.store.FailNext(storememory.AfterApply)
	} else {
		c.store.FailNext(storememory.BeforeApply)
	}
}

// EtcdAway makes etcd unreachable for all; leases run out.
func (c *Cluster) EtcdAway() { c.hub.Away() }

// EtcdBack makes etcd reachable again.
func (c *Cluster) EtcdBack() { c.hub.Back() }

// Patience is how long is waited for everything from now on; at first 5 minutes.
func (c *Cluster) Patience(d time.Duration) { c.patience = d }

// Advance lets time pass.
func (c *Cluster) Advance(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// room is the room of the n-th host, from 0.
func (s Shape) room(n int) string { return s.Rooms[n/s.HostsPerRoom] }

func (s Shape) hosts() int { return len(s.Rooms) * s.HostsPerRoom }

func hostName(n int) string { return fmt.Sprintf("h%d", n+1) }
