package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// endProcess is the program that TestMain has built.
var endProcess string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ccs-operator-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	endProcess = filepath.Join(dir, "ccs-endprocess")
	goBuild := exec.Command("go", "build", "-o", endProcess, "github.com/ccs-project/ccs/cmd/endprocess")
	goBuild.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := goBuild.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the end-process: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience is how long a condition may take on a busy machine.
const patience = 30 * time.Second

// host is a machine with commands on it, and whoever holds the lock is its
// executor.
type host struct {
	*testing.T
	Host
	root *spool.Root // nil: the executor is down
}

// newHost has an executor that does nothing but hold its directory.
func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{T: t, Host: Host{StateDir: t.TempDir(), AgentDir: t.TempDir(), OperatorDir: filepath.Join(t.TempDir(), "operator")}}
	for _, dir := range []string{h.StateDir, h.AgentDir} {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.up()
	t.Cleanup(func() { h.down() })
	return h
}

func (h *host) up() {
	h.Helper()
	root, err := spool.Open(h.StateDir)
	if err != nil {
		h.Fatal(err)
	}
	h.root = root
}

func (h *host) down() {
	if h.root != nil {
		h.root.Close()
		h.root = nil
	}
}

// accept writes the specification of a shell line.
func (h *host) accept(id, line string) {
	h.Helper()
	spec := spool.Spec{
		ID: id, SlotGroup: "bulk", Accepted: time.Now(), RememberUntil: time.Now().Add(time.Hour),
		Run: spool.Run{Argv: []string{"/bin/sh", "-c", line}, Env: []string{"PASSWORD=hunter2"}, Keep: 1 << 10, Grace: 200 * time.Millisecond},
	}
	if err := h.root.Accept(spec, nil, nil); err != nil {
		h.Fatal(err)
	}
}

// start starts the command's end-process as an executor does.
func (h *host) start(id string) *exec.Cmd {
	h.Helper()
	mark, err := spool.NewMark()
	if err != nil {
		h.Fatal(err)
	}
	cmd := exec.Command(endProcess, filepath.Join(h.StateDir, "commands", id), "1")
	cmd.Env = []string{spool.MarkName + "=" + mark, spool.OwnerName + "=" + spool.Owner(h.root.Incarnation(), h.StateDir)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = proc.Orphans{Mark: spool.MarkName + "=" + mark}.Signal(syscall.SIGKILL)
	})
	return cmd
}

// run accepts and starts a command, and waits until its process runs.
func (h *host) run(id, line string) *exec.Cmd {
	h.Helper()
	h.accept(id, line)
	cmd := h.start(id)
	h.poll(id+" to run", func() bool { e, err := h.Find(id); return err == nil && e.Leader != 0 })
	return cmd
}

// over runs a command to its end.
func (h *host) over(id, line string) {
	h.Helper()
	h.accept(id, line)
	_ = h.start(id).Wait()
	h.ended(id)
}

// behead is kill -9 of an end-process.
func (h *host) behead(cmd *exec.Cmd) {
	h.Helper()
	if err := cmd.Process.Kill(); err != nil {
		h.Fatal(err)
	}
	_ = cmd.Wait()
}

func (h *host) find(id string) Entry {
	h.Helper()
	e, err := h.Find(id)
	if err != nil {
		h.Fatalf("%s: %v", id, err)
	}
	return e
}

// ended waits for the outcome.
func (h *host) ended(id string) Entry {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	e, err := h.Await(ctx, id)
	if err != nil {
		h.Fatalf("%s: %v; it is %+v", id, err, e)
	}
	return e
}

// poll waits for a condition that nothing announces.
func (h *host) poll(what string, holds func() bool) {
	h.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			h.Fatalf("not in time: %s", what)
		}
	}
}

// nobody is an executor that does not answer.
func nobody(uint32, spool.Spec) error { return errors.New("connection refused") }

// levels are the findings by name.
func (h *host) levels() map[string]Check {
	all := map[string]Check{}
	for _, c := range h.Checks(time.Now()) {
		all[c.Name] = c
	}
	return all
}

func (h *host) wantCheck(name string, level Level, text string) {
	h.Helper()
	c, known := h.levels()[name]
	if !known || c.Level != level || !strings.Contains(c.Text, text) || (c.Level != OK) != (c.Do != "") {
		h.Errorf("%s: %+v, want %s with %q", name, c, level, text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
