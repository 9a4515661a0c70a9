package aggregator

import (
	"context"
	"net"

	"google.golang.org/grpc/peer"
)

// listener lets a handler end the connection that it serves. A handler that is
// blocked in a send cannot be ended otherwise: gRPC gives a server no way to
// give up on a message that the peer does not take.
type listener struct{ net.Listener }

// Accept gives connections whose remote address leads back to them.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	out := &conn{Conn: c}
	out.remote = connAddr{Addr: c.RemoteAddr(), conn: out}
	return out, nil
}

type conn struct {
	net.Conn
	remote connAddr
}

// RemoteAddr is what gRPC shows to handlers.
func (c *conn) RemoteAddr() net.Addr { return &c.remote }

type connAddr struct {
	net.Addr
	conn *conn
}

// aborter ends the connection of a call at once, with all that runs on it.
func aborter(ctx context.Context) func() {
	if p, ok := peer.FromContext(ctx); ok {
		if addr, ok := p.Addr.(*connAddr); ok {
			return func() { _ = addr.conn.Close() } // it is given up
		}
	}
	return func() {}
}

// dialledFrom is the IP address of a caller; empty if it has none.
func dialledFrom(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil || net.ParseIP(host) == nil {
		return ""
	}
	return host
}
