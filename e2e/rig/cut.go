package rig

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// CutOne shuts one TCP connection of another process, as if something between
// the two had cut it, and reports whether there was one.
func CutOne(t *testing.T, pid int, r *rand.Rand) bool {
	t.Helper()
	inTCP := map[string]bool{}
	for _, s := range sockets(t) {
		if s.established {
			inTCP[s.inode] = true
		}
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	for _, link := range links {
		to, _ := os.Readlink(link) // closed meanwhile
		if fd, err := strconv.Atoi(filepath.Base(link)); err == nil && inTCP[strings.Trim(to, "socket:[]")] {
			fds = append(fds, fd)
		}
	}
	return len(fds) > 0 && cut(pid, fds[r.IntN(len(fds))])
}

// cut shuts a socket of another process; false: it is gone.
func cut(pid, fd int) bool {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(process) }()
	socket, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(socket) }()
	return unix.Shutdown(socket, unix.SHUT_RDWR) == nil
}
