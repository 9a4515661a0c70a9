package postgresserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// Fate is what a Proxy does with a COMMIT.
type Fate int

// The fates. To the client they look alike: its connection is gone, and it does
// not know what became of the transaction.
const (
	Pass      Fate = iota // it goes on and is answered
	CutBefore             // the server never hears it
	CutAfter              // the server hears it, and its answer gets lost
	HoldBack              // as CutAfter, but the server hears it only when Proxy.LetGo is called
)

// Proxy stands between clients and a server, and cuts connections at the moment
// that hurts most. It hands over no requests to cancel. It is safe for concurrent
// use.
type Proxy struct {
	server *Server
	dir    string
	listen net.Listener
	letGo  chan struct{}
	served sync.WaitGroup

	mu    sync.Mutex
	fates []Fate                // under mu: of the COMMITs to come; then all pass
	conns map[net.Conn]struct{} // under mu: of clients

	cut  atomic.Int64
	once sync.Once
}

// NewProxy makes a proxy on a socket of its own.
func NewProxy(ctx context.Context, server *Server) (*Proxy, error) {
	dir, err := os.MkdirTemp("", "ccs-postgres-proxy-")
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: server, dir: dir, letGo: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	if p.listen, err = (&net.ListenConfig{}).Listen(ctx, "unix", socketIn(dir)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p.served.Go(func() {
		for {
			client, err := p.listen.Accept()
			if err != nil {
				return // closed
			}
			p.served.Go(func() { p.serve(ctx, client) })
		}
	})
	return p, nil
}

// DSN is how a client reaches a database through the proxy.
func (p *Proxy) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {p.dir}, "port": {strconv.Itoa(defaultPort)}}.Encode()
	return u.String()
}

// AtCommit says what becomes of the next COMMITs, one after another.
func (p *Proxy) AtCommit(fates ...Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fates = append(p.fates, fates...)
}

// LetGo hands over the COMMITs that are held back, and those that will be. It
// is called once.
func (p *Proxy) LetGo() { close(p.letGo) }

// Cut is how many connections were cut at a COMMIT.
func (p *Proxy) Cut() int { return int(p.cut.Load()) }

// CutAll cuts every connection now.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close ends all connections and waits. It may be called twice.
func (p *Proxy) Close() error {
	err := p.listen.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	p.CutAll()
	p.once.Do(func() {
		select {
		case <-p.letGo:
		default:
			close(p.letGo)
		}
	})
	p.served.Wait()
	return errors.Join(err, os.RemoveAll(p.dir))
}

func (p *Proxy) nextFate() (f Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fates) > 0 {
		f, p.fates = p.fates[0], p.fates[1:]
	}
	return f
}

func (p *Proxy) enter(client net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[client] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, client)
	}
}

// serve copies both ways until either end is gone, or a COMMIT is cut.
func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	defer p.enter(client)()
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(ctx, "unix", p.server.Socket())
	if err != nil {
		return // the client sees its end
	}
	defer server.Close()
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(client, server) // until either is gone
		_ = client.Close()
		_, _ = io.Copy(io.Discard, server)
	})
	if said := p.relay(client, server); said {
		_ = server.(*net.UnixConn).CloseWrite() // it does what it was told, and then ends by itself
	} else {
		_ = server.Close()
	}
	answers.Wait()
}
