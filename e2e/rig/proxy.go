package rig

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/internal/devcluster"
)

// Weather is what a network does to what is sent over it. The zero value is fair.
type Weather struct {
	Cut              bool          // nobody gets through, and what stands is broken
	Stall            bool          // nothing moves, and nothing is lost
	LoseUp, LoseDown bool          // what goes to the listener, or comes from it, is lost, and nobody is told
	Delay            time.Duration // of each piece, and of all that comes behind it
}

// Proxy stands before a listener and passes on bytes, whatever they mean. Its
// methods are safe for concurrent use.
type Proxy struct {
	Of devcluster.Listener

	in     net.Listener
	flight sync.WaitGroup

	mu      sync.Mutex // protects what follows
	weather Weather
	changed chan struct{} // closed when the weather changes
	lines   map[*line]struct{}
}

// line is one connection.
type line struct {
	near, far net.Conn // to who dialled, and to the listener
	lossy     bool     // bytes of it were lost: it is of no use any more; under the proxy's mu
	broken    chan struct{}
	once      sync.Once
}

func (l *line) snap() {
	l.once.Do(func() {
		close(l.broken)
		_ = l.near.Close() // it is broken: nothing else can come of it
		_ = l.far.Close()
	})
}

// Proxies collects proxies for the listeners of a cluster that want says so of:
// pass Through to devcluster.Options.
type Proxies struct {
	All []*Proxy
	t   *testing.T
	yes func(l devcluster.Listener) bool
}

// NewProxies makes none yet. They end with the test, after a cluster that is
// started later.
func NewProxies(t *testing.T, want func(l devcluster.Listener) bool) *Proxies {
	t.Helper()
	return &Proxies{t: t, yes: want}
}

// Through makes the proxy of a listener, if there is to be one.
func (p *Proxies) Through(l devcluster.Listener) string {
	if !p.yes(l) {
		return ""
	}
	one := NewProxy(p.t, l)
	p.All = append(p.All, one)
	return one.Address()
}

// NewProxy stands before a listener, until the end of the test.
func NewProxy(t *testing.T, l devcluster.Listener) *Proxy {
	t.Helper()
	in, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Of: l, in: in, changed: make(chan struct{}), lines: map[*line]struct{}{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.flight.Go(func() { p.serve(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = in.Close() // whoever comes now comes too late
		p.Break()
		p.flight.Wait()
	})
	return p
}

// Address is where others are to dial.
func (p *Proxy) Address() string { return p.in.Addr().String() }

// Set changes the weather. What was lost does not come again: connections of
// which bytes were lost break when the weather clears.
func (p *Proxy) Set(w Weather) {
	p.mu.Lock()
	p.weather = w
	close(p.changed)
	p.changed = make(chan struct{})
	var broken []*line
	for l := range p.lines {
		if w.Cut || l.lossy && !w.LoseUp && !w.LoseDown {
			broken = append(broken, l)
		}
	}
	p.mu.Unlock()
	for _, l := range broken {
		l.snap()
	}
}

// Break breaks the connections that stand; new ones get through.
func (p *Proxy) Break() {
	p.mu.Lock()
	lines := make([]*line, 0, len(p.lines))
	for l := range p.lines {
		lines = append(lines, l)
	}
	p.mu.Unlock()
	for _, l := range lines {
		l.snap()
	}
}

func (p *Proxy) now() (Weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather, p.changed
}

func (p *Proxy) serve(ctx context.Context) {
	for {
		near, err := p.in.Accept()
		if err != nil {
			return
		}
		p.flight.Go(func() { p.carry(ctx, near) })
	}
}

// carry is one connection, from its beginning to its end.
func (p *Proxy) carry(ctx context.Context, near net.Conn) {
	if w, _ := p.now(); w.Cut {
		_ = near.Close()
		return
	}
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Of.Address)
	if err != nil {
		_ = near.Close() // as the listener would
		return
	}
	l := &line{near: near, far: far, broken: make(chan struct{})}
	p.mu.Lock()
	p.lines[l] = struct{}{}
	late := p.weather.Cut || ctx.Err() != nil
	p.mu.Unlock()
	if late {
		l.snap()
	}
	var ways sync.WaitGroup
	ways.Go(func() { p.pass(l, far, near, true) })
	ways.Go(func() { p.pass(l, near, far, false) })
	ways.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lines, l)
}

// pass passes on one direction until the connection ends.
func (p *Proxy) pass(l *line, to, from net.Conn, up bool) {
	defer l.snap()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && p.shelter(l, up) {
			_, err = to.Write(piece[:n])
		}
		if err != nil {
			return
		}
	}
}

// shelter waits for the weather; false: the piece is lost.
func (p *Proxy) shelter(l *line, up bool) bool {
	delayed := false
	for {
		w, changed := p.now()
		switch {
		case w.LoseUp && up, w.LoseDown && !up:
			p.mu.Lock()
			l.lossy = true
			p.mu.Unlock()
			return false
		case w.Stall:
			select {
			case <-changed:
			case <-l.broken:
				return true
			}
		case w.Delay > 0 && !delayed:
			delayed = true
			timer := time.NewTimer(w.Delay)
			select {
			case <-timer.C:
			case <-l.broken:
			}
			timer.Stop()
		default:
			return true
		}
	}
}
