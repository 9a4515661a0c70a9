package setup

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Bounds of the connections to a port that asks nobody who he is.
const (
	maxGuests    = 64
	maxPerSource = 16 // of one address
)

// crowd is the connections of such a port. Who comes is let in, always: when
// there are too many, who has waited longest without a request that is complete
// is sent away, of the same address if that has too many. So nobody keeps others
// out by holding connections open. It is safe for concurrent use.
type crowd struct {
	net.Listener

	mu  sync.Mutex
	all []*guest // guarded by mu: the oldest first
}

// guest is one of these connections.
type guest struct {
	net.Conn

	crowd  *crowd
	source string // its address without the port
	served bool   // guarded by crowd.mu: a request of it is being answered
}

// Accept waits for the next one.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return c.admit(conn), nil
}

// admit lets a connection in. If all others are being answered it is closed
// itself.
func (c *crowd) admit(conn net.Conn) *guest {
	source, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		source = "" // what has no address is of one source
	}
	g := &guest{Conn: conn, crowd: c, source: source}
	if out := c.enter(g); out != nil {
		_ = out.Close() // it has nothing to lose
	}
	return g
}

// enter takes g in and says who must go for it.
func (c *crowd) enter(g *guest) (out *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, g)
	count := map[string]int{}
	for _, one := range c.all {
		count[one.source]++
	}
	crowded := g.source
	if count[g.source] <= maxPerSource {
		if len(c.all) <= maxGuests {
			return nil
		}
		for _, one := range c.all { // of several the one whose connection is oldest
			if count[one.source] > count[crowded] {
				crowded = one.source
			}
		}
	}
	for _, one := range c.all {
		if one.source == crowded && !one.served {
			return one
		}
	}
	return g
}

// dismiss sends away all who are not being answered: there will be no answer.
func (c *crowd) dismiss() {
	c.mu.Lock()
	waiting := slices.DeleteFunc(slices.Clone(c.all), func(g *guest) bool { return g.served })
	c.mu.Unlock()
	for _, g := range waiting {
		_ = g.Close() // it has nothing to lose
	}
}

// Close ends the connection and frees its place.
func (g *guest) Close() error {
	g.crowd.mu.Lock()
	if i := slices.Index(g.crowd.all, g); i >= 0 {
		g.crowd.all = slices.Delete(g.crowd.all, i, i+1)
	}
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}

// CloseWrite lets the other side read to the end; net/http asks for it.
func (g *guest) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type guestKey struct{}

// mark puts the connection of a request into its context.
func mark(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, conn)
}

// serving answers with next, and keeps who is being answered: until the system
// has the whole answer, which then goes out whatever becomes of the connection.
func (c *crowd) serving(next http.Handler) http.Handler {
	serve := func(g *guest, now bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		g.served = now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			serve(g, true)
			defer serve(g, false)
		}
		next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush() // he has gone
	})
}
