package rig

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Process is one that /proc shows.
type Process struct {
	PID  int
	Args []string
}

// Processes lists the living processes that have all of the words somewhere in
// their arguments or environment; the test's own is not among them.
func Processes(t *testing.T, words ...string) (found []Process) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
next:
	for _, name := range names {
		args, _ := os.ReadFile(filepath.Join(name, "cmdline")) // gone, or another account's
		env, _ := os.ReadFile(filepath.Join(name, "environ"))
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, w := range words {
			if !bytes.Contains(args, []byte(w)) && !bytes.Contains(env, []byte(w)) {
				continue next
			}
		}
		found = append(found, Process{PID: pid, Args: strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")})
	}
	return found
}

// Alive reports whether a process with this id is there and no zombie.
func Alive(pid int) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	rest := raw[bytes.LastIndexByte(raw, ')')+1:]
	return len(rest) > 1 && rest[1] != 'Z' && rest[1] != 'X'
}

// KillItself kills a process that was found, and reports whether it has. Not
// if it has become another program meanwhile, and not if it is a fork of one
// with the same arguments that is about to become another: either is somebody
// else's process already, and who was meant is its parent.
func (p Process) KillItself() bool {
	fd, err := unix.PidfdOpen(p.PID, 0) // from here on the pid is of nobody else
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	args := argsOf(p.PID)
	if !slices.Equal(args, p.Args) || slices.Equal(args, argsOf(parentOf(p.PID))) {
		return false
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// argsOf are the arguments of a process; of one that is gone there are none.
func argsOf(pid int) []string {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || len(raw) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
}

// parentOf is 0 for one that is gone.
func parentOf(pid int) int {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1]) // of no number 0 is told as well
	return parent
}
