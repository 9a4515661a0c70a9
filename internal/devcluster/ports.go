package devcluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// ports reserves addresses of one IP address for as long as it is open.
//
// A reservation is a socket that is bound and does not listen. Linux lets
// another socket with SO_REUSEADDR (which Go sets on listeners) bind and
// listen on the same address meanwhile, yet gives the port to nobody who asks
// for any free one. So a process has the same address after a restart, busy
// ports are stepped around, and there is no moment in which somebody can
// snatch it: all addresses are known before the first process starts.
type ports struct {
	ip   netip.Addr // IPv4
	held []int
}

// reserve returns a free address such as 127.0.0.1:40123.
func (p *ports) reserve() (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("cannot make a socket: %w", err)
	}
	p.held = append(p.held, fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", fmt.Errorf("cannot set up a socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: p.ip.As4()}); err != nil {
		return "", fmt.Errorf("cannot reserve a port of %s: %w", p.ip, err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read the reserved port: %w", err)
	}
	in4, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return "", errors.New("cannot read the reserved port: not an IPv4 address")
	}
	return net.JoinHostPort(p.ip.String(), strconv.Itoa(in4.Port)), nil
}

// close gives all reservations back.
func (p *ports) close() error {
	var failed error
	for _, fd := range p.held {
		failed = errors.Join(failed, unix.Close(fd))
	}
	p.held = nil
	return failed
}
