package endprocess

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/internal/bugs"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// program is the end-process that TestMain has built.
var program string

func TestMain(m *testing.M) {
	if stage, err := strconv.Atoi(os.Args[min(2, len(os.Args)-1)]); err == nil && os.Args[1] == "escape" {
		escapeArtist(stage, os.Args[3])
	}
	bugs.Plant()
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ccs-endprocess-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "ccs-endprocess")
	flags := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", program}, bugs.BuildFlags()...)
	goBuild := exec.Command("go", append(flags, "github.com/ccs-project/ccs/cmd/endprocess")...)
	goBuild.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := goBuild.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the end-process: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// disk is a state directory without an executor.
type disk struct {
	*testing.T
	root  *spool.Root
	path  string
	place cgroup.Place
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	path := t.TempDir()
	root, err := spool.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(root.Close)
	return &disk{T: t, root: root, path: path}
}

// accept writes the specification of command c, with defaults.
func (d *disk) accept(run spool.Run, script, stdin []byte) *spool.Command {
	d.Helper()
	if run.Keep == 0 {
		run.Keep = spool.DefaultKept
	}
	if run.Grace == 0 {
		run.Grace = time.Second
	}
	run.Script, run.Stdin = spool.Attach(script), spool.Attach(stdin)
	spec := spool.Spec{ID: "c", Accepted: time.Now(), RememberUntil: time.Now().Add(time.Hour), Run: run}
	if err := d.root.Accept(spec, script, stdin); err != nil {
		d.Fatal(err)
	}
	return d.open()
}

func (d *disk) open() *spool.Command {
	d.Helper()
	c, err := d.root.Command("c")
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(c.Close)
	d.Cleanup(func() {
		if a, err := c.Attempt(1); err == nil && !a.Supervisor.IsZero() {
			_ = proc.Orphans{Since: a.Supervisor.Start, Mark: a.MarkEntry()}.Signal(syscall.SIGKILL)
		}
	})
	return c
}

// marked is our environment with a new mark.
func marked() []string {
	mark, err := spool.NewMark()
	if err != nil {
		panic(err)
	}
	return append(os.Environ(), spool.MarkName+"="+mark)
}

// begin starts the program on attempt 1.
func (d *disk) begin() *exec.Cmd {
	d.Helper()
	cmd := exec.Command(program, d.root.Path("c"), "1")
	cmd.Env = append(marked(), spool.PlaceName+"="+strings.Join(d.place.Entries(), "\n"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// run runs a command to its outcome.
func (d *disk) run(run spool.Run, script, stdin []byte) spool.Outcome {
	d.Helper()
	c := d.accept(run, script, stdin)
	if err := d.begin().Wait(); err != nil {
		d.Fatalf("the end-process: %v", err)
	}
	return d.outcome(c)
}

func (d *disk) outcome(c *spool.Command) spool.Outcome {
	d.Helper()
	o, err := c.Outcome(1)
	if err != nil {
		d.Fatalf("there is no outcome: %v", err)
	}
	return o
}

// sh runs a line of shell.
func (d *disk) sh(line string) spool.Outcome {
	d.Helper()
	return d.run(spool.Run{Argv: []string{"sh", "-c", line}}, nil, nil)
}

// kept is what is kept of an output of the command, which has ended.
func (d *disk) kept(stream int) string {
	d.Helper()
	c := d.open()
	o := d.outcome(c)
	return d.keptOf(c, stream, o.Output(stream))
}

func (d *disk) keptOf(c *spool.Command, stream int, kept spool.Drained) string {
	d.Helper()
	var all []byte
	out := c.OpenOutput(1, stream)
	defer out.Close()
	err := out.Kept(kept, 0, make([]byte, 64<<10), func(_ uint64, content []byte) error {
		all = append(all, content...)
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
	return string(all)
}

func (d *disk) want(o spool.Outcome, state task.State, reason task.Reason) {
	d.Helper()
	if o.State != state || o.Exit.Reason != reason {
		d.Errorf("the outcome is %v/%v (%s), want %v/%v", o.State, o.Exit.Reason, o.Message, state, reason)
	}
}

// poll waits for a condition that nothing announces.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
