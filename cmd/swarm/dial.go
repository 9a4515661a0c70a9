package main

import (
	"context"
	"fmt"
	"net"
)

const (
	// connecting is how many hosts at most shake hands at once: handshakes are
	// CPU, and more at once only make the first ones late.
	connecting = 64
	// perSource is how many hosts dial from one source address: far from the
	// about 28,000 ports that there are between two addresses.
	perSource = 5000
)

// sourceDialer dials from one of 127.0.1.1, 127.0.2.1, … by the number of the
// host. Its connections leave no TIME_WAIT behind, which would make the next
// run slow.
func sourceDialer(host int) func(ctx context.Context, addr string) (net.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+host/perSource), 1)}}
	return func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				return nil, fmt.Errorf("cannot set up a connection: %w", err)
			}
		}
		return conn, nil
	}
}
