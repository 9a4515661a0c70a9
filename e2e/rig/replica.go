package rig

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// socket is a TCP connection that /proc/net/tcp shows, over IPv4.
type socket struct {
	local, remote netip.AddrPort
	established   bool
	unread        int // bytes that its owner has not read yet
	inode         string
}

// sockets lists those of the machine.
func sockets(t *testing.T) (all []socket) {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] == "sl" {
			continue
		}
		_, unread, _ := strings.Cut(f[4], ":")
		n, err := strconv.ParseInt(unread, 16, 64)
		if err != nil {
			t.Fatalf("/proc/net/tcp: %q: %v", line, err)
		}
		all = append(all, socket{
			local: addrPort(t, f[1]), remote: addrPort(t, f[2]), established: f[3] == "01", unread: int(n), inode: f[9],
		})
	}
	return all
}

// addrPort reads "0100007F:1CE8": the address is a number as the machine has it
// in memory.
func addrPort(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	addr, port, _ := strings.Cut(text, ":")
	a, err := strconv.ParseUint(addr, 16, 32)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil {
		t.Fatalf("/proc/net/tcp: %q is no address", text)
	}
	var ip [4]byte
	binary.NativeEndian.PutUint32(ip[:], uint32(a))
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(p))
}

// Replica is the access process that the cluster's SDK is connected to: the
// only one to which this process has a connection.
func (c *Cluster) Replica(t *testing.T) (name string) {
	t.Helper()
	Eventually(t, func() string {
		mine := ownSockets(t)
		var found []string
		for _, s := range sockets(t) {
			for _, l := range c.Listeners() {
				if l.Tier == "access" && s.established && mine[s.inode] && s.remote.String() == l.Address {
					found = append(found, l.Process)
				}
			}
		}
		if len(found) != 1 {
			return fmt.Sprintf("the SDK is connected to %v", found)
		}
		name = found[0]
		return ""
	})
	return name
}

// ownSockets are the inodes of this process's sockets.
func ownSockets(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	mine := map[string]bool{}
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:[") {
			mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	return mine
}

// AwaitUnread waits until a process, which is paused, has that many bytes to
// read on the connections that it has accepted.
func (c *Cluster) AwaitUnread(t *testing.T, name string, atLeast int) {
	t.Helper()
	Eventually(t, func() string {
		unread := 0
		for _, s := range sockets(t) {
			for _, l := range c.Listeners() {
				if l.Process == name && s.established && s.local.String() == l.Address {
					unread += s.unread
				}
			}
		}
		if unread < atLeast {
			return fmt.Sprintf("%s has only %d bytes to read", name, unread)
		}
		return ""
	})
}
