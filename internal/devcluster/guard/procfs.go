package guard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// markerKey names the environment variable that every process of a cluster
// inherits unless it clears its environment: the second net of a sweep.
const markerKey = "CCS_DEVCLUSTER_ID"

// Process is one entry of /proc. PID and Start together are its identity: a
// pid alone may have been given to somebody else in the meantime.
type Process struct {
	PID, Parent int
	// Start is the start time in clock ticks since boot.
	Start uint64
	// State is the letter that /proc shows, such as R, S, T, Z.
	State byte
	// Command is the argument vector joined by blanks, for messages only.
	Command string
}

// zombie says that the process has ended and only waits for its parent.
func (p Process) zombie() bool { return p.State == 'Z' || p.State == 'X' }

// readProcess reads one process; ok is false when it is gone.
func readProcess(pid int) (p Process, ok bool) {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Process{}, false
	}
	// The second field is the name in parentheses and may hold anything,
	// parentheses too: what counts begins after the last one.
	rest := raw[bytes.LastIndexByte(raw, ')')+1:]
	fields := strings.Fields(string(rest))
	if len(fields) < 20 {
		return Process{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	start, err2 := strconv.ParseUint(fields[19], 10, 64)
	if err1 != nil || err2 != nil {
		return Process{}, false
	}
	return Process{PID: pid, Parent: parent, Start: start, State: fields[0][0]}, true
}

// processes lists what /proc shows now. It is not a snapshot: what forks
// meanwhile may be missed, so callers repeat until nothing is left.
func processes() ([]Process, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("cannot list /proc: %w", err)
	}
	all := make([]Process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// descendants picks the living processes below root, root itself not among them.
func descendants(all []Process, root int) []Process {
	children := make(map[int][]Process)
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var found []Process
	seen := map[int]bool{root: true}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, p := range children[queue[0]] {
			if seen[p.PID] {
				continue
			}
			seen[p.PID] = true
			queue = append(queue, p.PID)
			if !p.zombie() {
				found = append(found, p)
			}
		}
	}
	return found
}

// marked picks the living processes that carry the marker in the environment
// they were started with. Those of other users cannot be read and are not ours.
func marked(all []Process, marker string) []Process {
	want := []byte(markerKey + "=" + marker)
	var found []Process
	for _, p := range all {
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "environ"))
		if err != nil || p.zombie() {
			continue
		}
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if bytes.Equal(entry, want) {
				found = append(found, p)
				break
			}
		}
	}
	return found
}

// Leftovers lists the living processes that carry a cluster's marker: for
// whoever wants to prove that there is none.
func Leftovers(marker string) ([]Process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	found := marked(all, marker)
	for i := range found {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(found[i].PID), "cmdline"))
		if err == nil {
			found[i].Command = strings.TrimSpace(string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '})))
		}
	}
	return found, nil
}

// kill sends SIGKILL to exactly this process; one that is gone is no error.
func (p Process) kill() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	// The pidfd is fixed now: if the start time is still the one that was
	// listed, it is fixed to the process that was meant.
	if now, ok := readProcess(p.PID); !ok || now.Start != p.Start {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot kill process %d: %w", p.PID, err)
	}
	return nil
}
