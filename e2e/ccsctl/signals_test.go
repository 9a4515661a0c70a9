// Package ccsctl proves how the real ccsctl ends when it is interrupted, when
// nobody reads what it prints, and when that cannot be written.
package ccsctl

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// large is more than a pipe holds.
const large = 500_000

func TestTheRealCcsctlEndsAsItShould(t *testing.T) {
	c := rig.Start(t, devcluster.Options{Hosts: 2})
	job := c.Run(t, client.Request{Command: rig.Sh("head -c 500000 /dev/zero | tr '\\0' x")})
	host := c.Hosts(t)[0]
	if task := c.Settled(t, job.ID)[host]; task.Stdout.Size != large {
		t.Fatalf("%d bytes were kept", task.Stdout.Size)
	}
	t.Run("Ctrl-C detaches and the job goes on", func(t *testing.T) { interruptedRun(t, c) })
	t.Run("Ctrl-C ends the wait for stdin", func(t *testing.T) { interruptedStdin(t, c) })
	t.Run("a second Ctrl-C ends it at once", func(t *testing.T) { interruptedTwice(t, c, job.ID, host) })
	t.Run("head ends it in silence", func(t *testing.T) { nobodyReads(t, c, job.ID) })
	t.Run("a full disk is said", func(t *testing.T) { diskFull(t, c, job.ID) })
}

// running is a ccsctl that has not ended yet.
type running struct {
	*exec.Cmd
	stderr said
}

// said is what a process has said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes more.
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// String is all of it.
func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start starts ccsctl as the demo user.
func start(t *testing.T, c *rig.Cluster, stdin, stdout *os.File, args ...string) *running {
	t.Helper()
	r := &running{}
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience) // who does not end is killed
	t.Cleanup(cancel)
	r.Cmd = exec.CommandContext(ctx, filepath.Join(c.Bin, "ccsctl"), append([]string{"--config", c.ClientConfig()}, args...)...)
	if stdin != nil {
		r.Stdin = stdin
	}
	if stdout != nil {
		r.Stdout = stdout
	}
	r.Stderr = &r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) interrupt(t *testing.T) {
	t.Helper()
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the end and says how it was: the exit status, or the signal.
func (r *running) ended() (status int, signal unix.Signal) {
	_ = r.Wait() // how it ended is the answer
	ws := r.ProcessState.Sys().(interface {
		Signaled() bool
		Signal() unix.Signal
	})
	if ws.Signaled() {
		signal = ws.Signal()
	}
	return r.ProcessState.ExitCode(), signal
}

// pipe is one that ends with the test.
func pipe(t *testing.T) (from, to *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = from.Close(), to.Close() })
	return from, to
}

// waiting is how many bytes are in a pipe.
func waiting(t *testing.T, f *os.File) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func interruptedRun(t *testing.T, c *rig.Cluster) {
	t.Helper()
	r := start(t, c, nil, nil, "run", "--all", "--", "sleep", "600")
	rig.Eventually(t, func() string {
		if strings.Contains(r.stderr.String(), "Job ") {
			return ""
		}
		return "it has not said the job's id but " + r.stderr.String()
	})
	id := strings.Fields(r.stderr.String())[1]
	r.interrupt(t)
	if status, signal := r.ended(); status != 3 || !strings.Contains(r.stderr.String(), "detached: job "+id+" goes on") {
		t.Errorf("status %d, signal %v:\n%s", status, signal, &r.stderr)
	}
	if j, err := c.SDK.Job(t.Context(), id); err != nil || j.State != "RUNNING" {
		t.Errorf("the job is %+v, %v", j, err)
	}
	if _, err := c.SDK.Cancel(t.Context(), id, client.Cancel{}); err != nil {
		t.Error(err)
	}
	c.Settled(t, id)
}

func interruptedStdin(t *testing.T, c *rig.Cluster) {
	t.Helper()
	for _, args := range [][]string{
		{"run", "--all", "--stdin", "-", "--", "cat"},
		{"run", "--all", "-f", "-"},
		{"ping", "--hosts-file", "-"},
	} {
		from, to := pipe(t)
		if _, err := to.WriteString("h1\n"); err != nil {
			t.Fatal(err)
		}
		r := start(t, c, from, nil, args...)
		rig.Eventually(t, func() string {
			if waiting(t, from) == 0 {
				return ""
			}
			return "it does not read stdin"
		})
		r.interrupt(t)
		if status, signal := r.ended(); status != 3 || !strings.Contains(r.stderr.String(), "interrupted: nothing was submitted") {
			t.Errorf("%v: status %d, signal %v:\n%s", args, status, signal, &r.stderr)
		}
	}
}

func interruptedTwice(t *testing.T, c *rig.Cluster, job, host string) {
	t.Helper()
	from, to := pipe(t) // that nobody reads
	r := start(t, c, nil, to, "output", job, host, "--raw")
	full := 0
	rig.Eventually(t, func() string {
		before := full
		if full = waiting(t, from); full > 0 && full == before {
			return ""
		}
		return "it does not wait for a reader"
	})
	var waiter sync.WaitGroup
	done := make(chan unix.Signal, 1)
	waiter.Go(func() {
		_, signal := r.ended()
		done <- signal
	})
	defer waiter.Wait()
	sent := 0
	rig.Eventually(t, func() string {
		select {
		case signal := <-done:
			if signal != unix.SIGINT || sent < 2 {
				t.Errorf("it ended after %d interrupts by %v:\n%s", sent, signal, &r.stderr)
			}
			return ""
		default:
			sent++
			_ = r.Process.Signal(os.Interrupt) // it may have ended just now
			return "it goes on"
		}
	})
}

func nobodyReads(t *testing.T, c *rig.Cluster, job string) {
	t.Helper()
	from, to := pipe(t)
	r := start(t, c, nil, to, "output", job)
	if _, err := from.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, _ = to.Close(), from.Close() // as head does
	if status, signal := r.ended(); signal != unix.SIGPIPE || r.stderr.String() != "" {
		t.Errorf("status %d, signal %v:\n%s", status, signal, &r.stderr)
	}
}

func diskFull(t *testing.T, c *rig.Cluster, job string) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close() //nolint:errcheck // nothing is in it
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"run", "--all", "--", "echo", "hi"}, "\nSee all of them with: ccsctl job watch "},
		{[]string{"run", "--all", "--detach", "--", "true"}, " goes on. Come back to it, or stop it, with\n  ccsctl job watch "},
		{[]string{"output", job}, ""},
		{[]string{"host", "list", "-o", "json"}, ""},
	} {
		r := start(t, c, nil, full, test.args...)
		status, _ := r.ended()
		if text := r.stderr.String(); status != 1 || !strings.Contains(text, "ccsctl: cannot write to stdout: no space left on device") || !strings.Contains(text, test.says) {
			t.Errorf("%v: status %d:\n%s", test.args, status, text)
		}
	}
}
