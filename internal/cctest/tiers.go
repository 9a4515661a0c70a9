package cctest

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/tier/aggregator"
	"github.com/ccs-project/ccs/pkg/tier/issuer"
	"github.com/ccs-project/ccs/pkg/tier/scheduler"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// The tiers, as in the names of processes.
const (
	tierIssuer     = "issuer"
	tierAccess     = "access"
	tierScheduler  = "scheduler"
	tierAggregator = "aggregator"
	tierAgent      = "agent"
)

// plan names all processes, gives them addresses, and says how to make them.
func (c *Cluster) plan() {
	c.add(tierIssuer, tierIssuer, 7430, 1, c.issuer)
	for i := range 2 {
		c.add(fmt.Sprintf("access-%d", i+1), tierAccess, 7400, 1, c.access)
	}
	for _, pool := range []string{"critical", "standard"} {
		for i := range pools[pool] {
			c.add(fmt.Sprintf("scheduler-%s-%d", pool, i+1), tierScheduler, 7410, 1, c.scheduler(pool))
		}
	}
	for _, room := range c.shape.Rooms {
		for i := range c.shape.AggregatorsPerRoom {
			c.add(fmt.Sprintf("aggregator-%s-%d", room, i+1), tierAggregator, 7420, 2, c.aggregator(room))
		}
	}
	for i := range c.shape.hosts() {
		h := c.addHost(i)
		c.add("agent-"+h.name, tierAgent, 0, 0, h.agent)
	}
}

// add names a process that listens on so many ports from the first one on, at
// an IP address of its own.
func (c *Cluster) add(name, tier string, port uint16, ports int, make func(*process) part) {
	p := &process{name: name, tier: tier, make: make}
	ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + len(c.order))})
	for i := range ports {
		p.addr = append(p.addr, netip.AddrPortFrom(ip, port+uint16(i)).String())
	}
	p.dial = c.net.dialer(name, ip.String())
	c.processes[name] = p
	c.order = append(c.order, name)
}

func (c *Cluster) issuer(p *process) part {
	x, err := issuer.New(issuer.DefaultConfig(), issuer.Deps{
		Log: c.log(p.name), Identity: c.trust.source(identity.Issuer, p.name), Coord: p.gate,
		CA: c.trust.ca, Book: c.trust.book(), Dial: p.dial,
	})
	must(c.t, err)
	lis := c.net.listen(p.name, p.addr[0])
	return part{func(ctx context.Context) error { return x.Run(ctx, lis) }, x.Ready()}
}

func (c *Cluster) access(p *process) part {
	x, err := access.New(access.DefaultConfig(), access.Deps{
		Log: c.log(p.name), Identity: c.trust.source(identity.Access, p.name), Coord: p.gate, Dial: p.dial,
		Telemetry: c.telemetry(p.name),
	})
	must(c.t, err)
	lis := c.doors[p.name]
	if lis == nil {
		lis = c.net.listen(p.name, p.addr[0])
	}
	return part{func(ctx context.Context) error { return x.Run(ctx, lis) }, x.Ready()}
}

func (c *Cluster) scheduler(pool string) func(p *process) part {
	return func(p *process) part {
		cfg := scheduler.DefaultConfig()
		cfg.Name, cfg.Pool, cfg.Shards = p.name, pool, shards
		cfg.Retention = cmp.Or(c.shape.Retention, cfg.Retention)
		x, err := scheduler.New(cfg, scheduler.Deps{
			Log: c.log(p.name), Identity: c.trust.source(identity.Scheduler, p.name), Coord: p.gate,
			Store: gatedStore{Store: c.store, gate: p.gate, away: &c.storeAway, tamper: &c.tamper}, Dial: p.dial,
			Telemetry: c.telemetry(p.name),
		})
		must(c.t, err)
		lis := c.net.listen(p.name, p.addr[0])
		return part{func(ctx context.Context) error { return x.Run(ctx, lis) }, x.Ready()}
	}
}

// shards of a pool: enough that both schedulers of a pool have some, and few
// enough that a test does not spend its time on them.
const shards = 8

func (c *Cluster) aggregator(room string) func(p *process) part {
	return func(p *process) part {
		cfg := aggregator.DefaultConfig()
		cfg.Name, cfg.Room, cfg.Advertise, cfg.Push = p.name, room, p.addr[0], !c.shape.NoPush
		x, err := aggregator.New(cfg, aggregator.Deps{
			Log: c.log(p.name), Identity: c.trust.source(identity.Aggregator, p.name), Coord: p.gate,
			Telemetry: c.telemetry(p.name), Options: []grpc.ServerOption{grpc.ChainStreamInterceptor(c.meddler.intercept)},
		})
		must(c.t, err)
		mesh, session := c.net.listen(p.name, p.addr[0]), c.net.listen(p.name, p.addr[1])
		return part{func(ctx context.Context) error { return x.Run(ctx, mesh, session) }, x.Ready()}
	}
}
