package cctest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// buffer is what a connection holds each way, in bytes.
const buffer = 256 << 10

var errNoWay = errors.New("no way there")

// network is the switchboard: it connects processes by address, knows who
// talks to whom, and can cut the cables.
type network struct {
	mu        sync.Mutex // protects what follows
	listeners map[string]*listener
	cables    map[*cable]struct{}
	cut       map[[2]string]bool       // pairs of processes, in both orders
	dead      map[string]bool          // processes
	silent    map[string]chan struct{} // processes whose packets are lost; closed when they no longer are
	dialled   map[string]int           // connections that a process opened
}

func newNetwork() *network {
	return &network{
		listeners: map[string]*listener{}, cables: map[*cable]struct{}{},
		cut: map[[2]string]bool{}, dead: map[string]bool{}, silent: map[string]chan struct{}{}, dialled: map[string]int{},
	}
}

// listen opens an address of a process.
func (n *network) listen(owner, addr string) *listener {
	l := &listener{net: n, owner: owner, addr: tcpAddr(addr), accepted: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return l
}

// dialer is how the process at an IP address reaches others.
func (n *network) dialer(from, ip string) func(ctx context.Context, addr string) (net.Conn, error) {
	source := tcpAddr(ip + ":40000")
	return func(ctx context.Context, addr string) (net.Conn, error) {
		if err := n.heard(ctx, from, addr); err != nil {
			return nil, err
		}
		n.mu.Lock()
		l := n.listeners[addr]
		if l == nil || n.dead[from] || n.dead[l.owner] || n.cut[[2]string{from, l.owner}] {
			n.mu.Unlock()
			return nil, fmt.Errorf("cannot dial %s from %s: %w", addr, from, errNoWay)
		}
		n.dialled[from]++
		w := newCable(n, from, l.owner)
		n.mu.Unlock()
		select {
		case l.accepted <- &end{Conn: w.server, cable: w, local: l.addr, remote: source}:
			return &end{Conn: w.client, cable: w, local: source, remote: l.addr}, nil
		case <-l.closed:
			w.close()
			return nil, fmt.Errorf("cannot dial %s from %s: %w", addr, from, errNoWay)
		case <-ctx.Done():
			w.close()
			return nil, context.Cause(ctx)
		}
	}
}

// sever closes the cables for which match says so, at once.
func (n *network) sever(match func(a, b string) bool) {
	n.mu.Lock()
	var found []*cable
	for w := range n.cables {
		if match(w.from, w.to) || match(w.to, w.from) {
			found = append(found, w)
		}
	}
	n.mu.Unlock()
	for _, w := range found {
		w.close()
	}
}

func (n *network) setCut(a, b string, cut bool) {
	n.mu.Lock()
	n.cut[[2]string{a, b}], n.cut[[2]string{b, a}] = cut, cut
	n.mu.Unlock()
	if cut {
		n.sever(func(x, y string) bool { return x == a && y == b })
	}
}

func (n *network) setDead(name string, dead bool) {
	n.mu.Lock()
	n.dead[name] = dead
	n.mu.Unlock()
	if dead {
		n.sever(func(x, _ string) bool { return x == name })
	}
}

// heard waits as long as the packets of either side are lost.
func (n *network) heard(ctx context.Context, from, addr string) error {
	for {
		n.mu.Lock()
		lost := n.silent[from]
		if l := n.listeners[addr]; l != nil && lost == nil {
			lost = n.silent[l.owner]
		}
		n.mu.Unlock()
		if lost == nil {
			return nil
		}
		select {
		case <-lost:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// setSilent loses all packets of a process from now on, or no longer. What was
// lost does not come again: the connections break when the process is heard.
func (n *network) setSilent(name string, silent bool) {
	var broken []*cable
	n.mu.Lock()
	if lost := n.silent[name]; !silent && lost != nil {
		close(lost)
		delete(n.silent, name)
	} else if silent && lost == nil {
		n.silent[name] = make(chan struct{})
	}
	for w := range n.cables {
		if w.from != name && w.to != name {
			continue
		}
		if silent {
			w.lossy.Store(true)
		} else {
			broken = append(broken, w)
		}
	}
	n.mu.Unlock()
	for _, w := range broken {
		w.close()
	}
}

// cable is one connection.
type cable struct {
	net            *network
	from, to       string
	client, server net.Conn
	lossy          atomic.Bool // what is written is lost
	once           sync.Once
}

// newCable lays a cable. The caller holds the network's mu.
func newCable(n *network, from, to string) *cable {
	l := bufconn.Listen(buffer)
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept() // fails only after Close
		accepted <- conn
	}()
	client, _ := l.Dial()
	w := &cable{net: n, from: from, to: to, client: client, server: <-accepted}
	n.cables[w] = struct{}{}
	return w
}

func (w *cable) close() {
	w.once.Do(func() {
		w.net.mu.Lock()
		delete(w.net.cables, w)
		w.net.mu.Unlock()
		_ = w.client.Close() // both in memory: nothing can fail
		_ = w.server.Close()
	})
}

// end is one end of a wire; it closes both.
type end struct {
	net.Conn
	cable         *cable
	local, remote net.Addr
}

func (e *end) LocalAddr() net.Addr  { return e.local }
func (e *end) RemoteAddr() net.Addr { return e.remote }

func (e *end) Write(b []byte) (int, error) {
	if e.cable.lossy.Load() {
		return len(b), nil
	}
	return e.Conn.Write(b)
}

func (e *end) Close() error {
	if e.cable.lossy.Load() { // this side gives up, and the other does not hear of it
		return e.SetDeadline(time.Unix(1, 0))
	}
	err := e.Conn.Close() // what was written before is still read by the other side
	e.cable.net.mu.Lock()
	delete(e.cable.net.cables, e.cable)
	e.cable.net.mu.Unlock()
	return err
}

// listener is an address of a process.
type listener struct {
	net      *network
	owner    string
	addr     *net.TCPAddr
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.addr.String()] == l {
			delete(l.net.listeners, l.addr.String())
		}
		close(l.closed)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

func tcpAddr(text string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
