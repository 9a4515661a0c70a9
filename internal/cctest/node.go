package cctest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// part is one life of a process: made new at every start.
type part struct {
	run   func(ctx context.Context) error
	ready <-chan struct{}
}

// process is one process of the cluster, running or not.
type process struct {
	name string
	tier string
	addr []string // that it listens on
	make func(p *process) part
	dial func(ctx context.Context, addr string) (net.Conn, error)
	gate *gate // of the life that runs, or ran last

	cancel context.CancelFunc
	ended  chan struct{} // closed when the life is over

	mu     sync.Mutex // protects what follows
	wanted bool       // to be running
	err    error      // with which it ended by itself
}

// start begins a life and does not wait for it to serve.
func (p *process) start(ctx context.Context, c *Cluster) part {
	p.gate = newGate(c.hub, c.meddler)
	c.net.setDead(p.name, false)
	life := p.make(p)
	ctx, p.cancel = context.WithCancel(ctx)
	p.ended = make(chan struct{})
	p.want(true)
	go func() {
		defer close(p.ended)
		p.over(life.run(ctx))
	}()
	return life
}

func (p *process) want(running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = running
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted
}

// over notes how a life ended. Nothing ends by itself.
func (p *process) over(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted {
		p.err = fmt.Errorf("%s ended by itself: %w", p.name, errors.Join(err, errors.New("nobody had asked it to")))
	}
}

// crash ends it as kill -9 does: its connections break, what it still wants to
// write goes nowhere, its leases run out.
func (p *process) crash(c *Cluster) {
	p.want(false)
	p.gate.close()
	c.net.setDead(p.name, true)
	p.cancel()
	<-p.ended
}

// stop ends it in good order.
func (p *process) stop(c *Cluster) {
	p.want(false)
	p.cancel()
	<-p.ended
	c.net.setDead(p.name, true)
	p.gate.close()
}

func (p *process) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Crash ends processes as kill -9 does, all at once.
func (c *Cluster) Crash(names ...string) {
	c.t.Helper()
	found := c.find(names)
	for _, p := range found { // first all cables, so that nobody sees one go before the other
		p.want(false)
		p.gate.close()
		c.net.setDead(p.name, true)
	}
	for _, p := range found {
		p.crash(c)
	}
}

// Stop ends processes in good order, one after another.
func (c *Cluster) Stop(names ...string) {
	c.t.Helper()
	for _, p := range c.find(names) {
		p.stop(c)
	}
}

// Restart starts processes that do not run and waits until they serve; one
// that runs is crashed first.
func (c *Cluster) Restart(names ...string) {
	c.t.Helper()
	var running []string
	for _, p := range c.find(names) {
		if p.running() {
			running = append(running, p.name)
		}
	}
	c.Crash(running...)
	c.start(c.find(names))
}

// start starts processes at once and waits until all of them serve.
func (c *Cluster) start(processes []*process) {
	c.t.Helper()
	ready := make([]<-chan struct{}, len(processes))
	for i, p := range processes {
		ready[i] = p.start(c.ctx, c).ready
	}
	for i, p := range processes {
		c.await(ready[i], p)
	}
}

// Cut takes away the wire between two processes until Mend.
func (c *Cluster) Cut(a, b string) {
	c.t.Helper()
	c.find([]string{a, b})
	c.net.setCut(a, b, true)
}

// Mend gives back the wire between two processes.
func (c *Cluster) Mend(a, b string) {
	c.t.Helper()
	c.find([]string{a, b})
	c.net.setCut(a, b, false)
}

// LeaseLost ends the leases of processes, as if etcd had not heard of them for
// too long; they get others.
func (c *Cluster) LeaseLost(names ...string) {
	c.t.Helper()
	for _, p := range c.find(names) {
		p.gate.expire()
	}
}

// Unplug loses everything that is sent to and from processes, until Plug. They
// go on, and nobody is told.
func (c *Cluster) Unplug(names ...string) {
	c.t.Helper()
	for _, p := range c.find(names) {
		c.net.setSilent(p.name, true)
	}
}

// Plug ends what Unplug began.
func (c *Cluster) Plug(names ...string) {
	c.t.Helper()
	for _, p := range c.find(names) {
		c.net.setSilent(p.name, false)
	}
}

func (c *Cluster) find(names []string) (found []*process) {
	c.t.Helper()
	for _, name := range names {
		p := c.processes[name]
		if p == nil {
			c.t.Fatalf("the cluster has no process %q; it has %v", name, c.Processes())
		}
		found = append(found, p)
	}
	return found
}
