package executor

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// poor is an account that nobody has, so that its processes can be counted.
const poor = 64_321

// poorHost is a host whose executor runs as an account of its own, which can be
// denied processes: root cannot be.
func poorHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	run := filepath.Dir(h.socket)
	for from, to := range map[string]string{os.Args[0]: "executor", endProcess: "ccs-endprocess"} {
		if out, err := exec.Command("cp", from, filepath.Join(run, to)).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	h.program, h.end, h.state = filepath.Join(run, "executor"), filepath.Join(run, "ccs-endprocess"), filepath.Join(run, "state")
	if err := os.Mkdir(h.state, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{run, h.state} {
		if err := os.Chown(path, poor, poor); err != nil {
			t.Fatal(err)
		}
	}
	h.limit = filepath.Join(run, "limit")
	h.account = &syscall.Credential{Uid: poor, Gid: poor}
	h.launch()
	return h
}

// processes limits how many processes and threads the executor's account has.
// The executor does it to itself: not every root may do it to another account.
func (h *host) processes(most uint64) {
	h.Helper()
	if err := os.WriteFile(h.limit, strconv.AppendUint(nil, most, 10), 0o644); err != nil {
		h.Fatal(err)
	}
	if err := h.process.Process.Signal(syscall.SIGUSR2); err != nil {
		h.Fatal(err)
	}
	h.poll("the limit", func() bool { return !exists(h.limit) })
}

// limitMyself sets the limit that the file says, whenever it is told to.
func limitMyself(file string) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR2)
	for range told {
		data, err := os.ReadFile(file)
		var limit unix.Rlimit
		if err == nil {
			err = unix.Getrlimit(unix.RLIMIT_NPROC, &limit)
		}
		if err == nil {
			limit.Cur, err = strconv.ParseUint(string(data), 10, 64)
			limit.Cur = min(limit.Cur, limit.Max)
		}
		if err == nil {
			err = unix.Setrlimit(unix.RLIMIT_NPROC, &limit)
		}
		if err == nil {
			err = os.Remove(file)
		}
		if err != nil {
			panic(err)
		}
	}
}

// Without pids nothing can be started. That is an outcome with its reason, what
// runs goes on, and the executor lives.
func TestWithoutPidsAStartFailsWithTheReasonAndTheLoopGoesOn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run an executor as another account")
	}
	h := poorHost(t)
	gate := filepath.Join(h.state, "gate")
	h.accept(shell("runs", "while [ ! -e "+gate+" ]; do read -t 1 x </dev/zero; done; exit 7"))
	h.running("runs")
	h.processes(1)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			id := "no" + strconv.Itoa(n)
			if _, err := h.api.Start(t.Context(), wire.StartToProto(shell(id, "true"))); err != nil {
				t.Errorf("Start(%s): %v", id, err)
			}
		})
	}
	all.Wait()
	for n := range 16 {
		h.becomes("no"+strconv.Itoa(n), task.StartFailed, task.Exit{Reason: task.NoResources})
	}
	h.processes(1 << 20)
	h.accept(shell("yes", "true"))
	h.becomes("yes", task.Succeeded, task.Exit{})
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.becomes("runs", task.Failed, task.Exit{Code: 7})
}

// Without memory an end-process does not come as far as its record.
func TestWithoutMemoryAStartFailsWithTheReasonAndTheLoopGoesOn(t *testing.T) {
	h := newHost(t)
	real := h.end
	h.end = filepath.Join(t.TempDir(), "ccs-endprocess")
	provide := func(memory string) {
		t.Helper()
		temp := h.end + ".new"
		if err := os.WriteFile(temp, []byte("#!/bin/sh\nulimit -v "+memory+"\nexec "+real+" \"$@\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(temp, h.end); err != nil {
			t.Fatal(err)
		}
	}
	provide("20000")
	h.launch()
	h.accept(shell("no", "true"))
	h.becomes("no", task.StartFailed, task.Exit{Reason: task.NoResources})
	provide("unlimited")
	h.accept(shell("yes", "true"))
	h.becomes("yes", task.Succeeded, task.Exit{})
}
