package aggregator

import (
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc/credentials"
)

// mostConnections is how many a host may have: one, and those before it that
// nobody has noticed to be dead.
const mostConnections = 4

// guests is the transport credentials of the hosts' port. They let each host have
// a few connections; with one more its oldest is closed.
type guests struct {
	credentials.TransportCredentials

	mu sync.Mutex
	by map[string][]*guest // by identity, oldest first
}

// guest is one connection of a host.
type guest struct {
	net.Conn
	raw  net.Conn
	who  string
	port *guests
}

func newGuests(tls credentials.TransportCredentials) *guests {
	return &guests{TransportCredentials: tls, by: map[string][]*guest{}}
}

// ServerHandshake makes a connection its host's newest.
func (g *guests) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := g.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	tls, ok := info.(credentials.TLSInfo)
	if !ok || tls.SPIFFEID == nil { // no handler lets it do anything
		return conn, info, nil
	}
	made := &guest{Conn: conn, raw: raw, who: tls.SPIFFEID.String(), port: g}
	if oldest := g.enter(made); oldest != nil {
		_ = oldest.raw.Close() // without a farewell, for which it might not be there
	}
	return made, info, nil
}

// enter returns the connection that has to go for the new one; nil: none.
func (g *guests) enter(made *guest) (oldest *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if all := g.by[made.who]; len(all) >= mostConnections {
		oldest = all[0]
		g.by[made.who] = all[1:]
	}
	g.by[made.who] = append(g.by[made.who], made)
	return oldest
}

// Close takes the connection off the list.
func (c *guest) Close() error {
	c.port.leave(c)
	return c.Conn.Close()
}

func (g *guests) leave(gone *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := slices.DeleteFunc(g.by[gone.who], func(c *guest) bool { return c == gone })
	if g.by[gone.who] = left; len(left) == 0 {
		delete(g.by, gone.who)
	}
}
