package rig

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
