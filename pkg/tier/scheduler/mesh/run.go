package mesh

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Mesh is all streams of one process. It is safe for concurrent use.
type Mesh struct {
	cfg  Config
	deps Deps
	sink Sink
	open atomic.Int64 // streams

	mu    sync.Mutex // protects what follows
	links map[fleet.Via]*link
	owns  map[uint32]job.Epoch
}

// New returns a mesh that is not running.
func New(cfg Config, d Deps, sink Sink) (*Mesh, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, deps: d, sink: sink, links: map[fleet.Via]*link{}, owns: map[uint32]job.Epoch{}}
	d.Telemetry.Gauge(obs.MeshStreams, func(observe func(int64, ...attribute.KeyValue)) { observe(m.open.Load()) })
	return m, nil
}

// Run keeps a stream to every aggregator that is announced, until ctx ends. An
// aggregator that is not announced any more is left alone as long as its stream
// holds: etcd may be wrong.
func (m *Mesh) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return coord.WatchMembers(ctx, m.deps.Coord, coord.Aggregator, func(members coord.Members) {
			if members.Alarm != nil {
				m.deps.Log.ErrorContext(ctx, "coordination went back in time; keeping the aggregators that are known", "error", members.Alarm)
			}
			for _, fault := range members.Faults {
				m.deps.Log.WarnContext(ctx, "entry of an aggregator cannot be read", "error", fault)
			}
			for _, l := range m.meet(members.Members) {
				group.Go(func() error { return m.keep(ctx, l) })
			}
		})
	})
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// meet notes who is announced and where, and returns the links that are new.
func (m *Mesh) meet(members []coord.Member) (fresh []*link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	announced := map[fleet.Via]bool{}
	for _, a := range members {
		via := fleet.Via(a.Name)
		announced[via] = true
		l := m.links[via]
		if l == nil {
			l = newLink(m, via, fleet.Room(a.Room))
			m.links[via] = l
			fresh = append(fresh, l)
		}
		l.announce(a.Addr)
	}
	for via, l := range m.links {
		if !announced[via] {
			l.announce("")
		}
	}
	return fresh
}

// keep runs one link until ctx ends or the aggregator is gone for good.
func (m *Mesh) keep(ctx context.Context, l *link) error {
	for {
		l.run(ctx)
		m.mu.Lock()
		gone := ctx.Err() != nil || l.address() == ""
		if gone {
			delete(m.links, l.via)
		}
		m.mu.Unlock()
		if gone {
			return nil
		}
	}
}

// SetOwns says which shards of the pool this process owns now, and tells every
// aggregator.
func (m *Mesh) SetOwns(shards map[uint32]job.Epoch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owns = maps.Clone(shards)
	for _, l := range m.links {
		l.tellOwns()
	}
}

func (m *Mesh) owned() map[uint32]job.Epoch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owns
}

// Send queues what is owed to the hosts of one aggregator, with the traces of
// its dispatches. It does not block. Without a stream it is dropped: it comes
// again when the hosts are seen.
func (m *Mesh) Send(via fleet.Via, p *Payload, s job.Send, traces Traces) {
	if l := m.link(via); l != nil {
		l.send(p, s, traces)
	}
}

// Waits reports whether a release that was sent to an aggregator waits here,
// because that takes no more of its class for now.
func (m *Mesh) Waits(via fleet.Via, id job.ID, ordinal uint32) (w Wait, waits bool) {
	l := m.link(via)
	if l == nil {
		return Wait{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		return Wait{}, false
	}
	return l.queue.waits(id, ordinal)
}

func (m *Mesh) link(via fleet.Via) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[via]
}
