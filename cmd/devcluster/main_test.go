package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster"
)

const asMain = "DEVCLUSTER_TEST_AS_MAIN"

// TestMain lets the test binary be devcluster and all that devcluster can be.
func TestMain(m *testing.M) {
	if status, ok := devcluster.Helper(context.Background(), os.Args); ok {
		os.Exit(status)
	}
	if os.Getenv(asMain) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// toyTier serves at once and, as end-processes do, leaves somebody behind who
// has left its parent, its session and its environment and hears no signal.
const toyTier = `#!/bin/sh
ready=$(sed -n 's/^ready_file: //p' "$2")
env -i setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' "$2" </dev/null >/dev/null 2>&1 &
echo '{"pid":'$$'}' >"$ready.tmp"; mv "$ready.tmp" "$ready"
trap 'exit 0' TERM; while :; do sleep 0.05; done
`

// toyAgent is never ready, so that the cluster stays in the making.
const toyAgent = "#!/bin/sh\necho 'agent: looking for the issuer' >&2; while :; do sleep 1; done\n"

// making is a devcluster that has started all it can of toy tiers.
func making(t *testing.T) (front *exec.Cmd, out *bytes.Buffer, dir string) {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"issuer", "access", "scheduler", "aggregator", "executor", "endprocess", "agent"} {
		text := toyTier
		if name == "agent" {
			text = toyAgent
		}
		if err := os.WriteFile(filepath.Join(bin, "ccs-"+name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(t.TempDir(), "c")
	front = exec.Command("/proc/self/exe", "up", "--bin", bin, "--dir", dir, "--hosts", "2")
	front.Env = append(os.Environ(), asMain+"=1")
	out = &bytes.Buffer{}
	front.Stdout, front.Stderr = out, out
	if err := front.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		raw, _ := os.ReadFile(filepath.Join(dir, "log", "agent-h2.log"))
		if !strings.Contains(string(raw), "looking") {
			return "the agents were not started"
		}
		return ""
	})
	return front, out, dir
}

func TestCtrlCStopsAndRemovesAllOfIt(t *testing.T) {
	front, out, dir := making(t)
	if err := front.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := front.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("ended with %v, want status 130; it said\n%s", err, out)
	}
	if !strings.Contains(out.String(), "Everything is stopped and removed") {
		t.Errorf("it said\n%s", out)
	}
	nothingIsLeftNow(t, dir)
}

func TestAKilledDevclusterLeavesNothing(t *testing.T) {
	front, _, dir := making(t)
	if err := front.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = front.Wait()
	eventually(t, func() string { return left(t, dir) })
}

func TestAKilledGuardLeavesNothingAndDevclusterSaysSo(t *testing.T) {
	for _, word := range []string{"guard-outer", "guard-inner"} {
		t.Run(word, func(t *testing.T) {
			front, out, dir := making(t)
			if err := unix.Kill(withWords(t, word+"\x00", dir)[0], unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := front.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want status 1", err)
			}
			if !strings.Contains(out.String(), "guard is gone") {
				t.Errorf("it said\n%s", out)
			}
			nothingIsLeftNow(t, dir)
		})
	}
}

func TestAClusterInTheSameDirectoryIsRefusedAndTheFirstLivesOn(t *testing.T) {
	front, _, dir := making(t)
	second := exec.Command("/proc/self/exe", "up", "--bin", filepath.Dir(dir), "--dir", dir)
	second.Env = append(os.Environ(), asMain+"=1")
	if said, err := second.CombinedOutput(); err == nil {
		t.Errorf("a second cluster started: %s", said)
	}
	if len(withWords(t, "guard-inner\x00", dir)) != 1 {
		t.Error("the first cluster is gone")
	}
	if err := front.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = front.Wait()
	nothingIsLeftNow(t, dir)
}

func nothingIsLeftNow(t *testing.T, dir string) {
	t.Helper()
	if what := left(t, dir); what != "" {
		t.Error(what)
	}
}

// left says what is still there of the cluster in the directory.
func left(t *testing.T, dir string) string {
	t.Helper()
	if pids := withWords(t, dir); len(pids) > 0 {
		return fmt.Sprintf("processes %v are left", pids)
	}
	if _, err := os.Stat(dir); err == nil {
		return "the directory is left"
	}
	return ""
}

// withWords finds processes by all of the words in their arguments or
// environment; the test's own is not among them.
func withWords(t *testing.T, words ...string) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
next:
	for _, name := range names {
		args, _ := os.ReadFile(name + "/cmdline")
		env, _ := os.ReadFile(name + "/environ")
		pid, _ := strconv.Atoi(filepath.Base(name))
		for _, w := range words {
			if pid == os.Getpid() || !bytes.Contains(append(args, env...), []byte(w)) {
				continue next
			}
		}
		pids = append(pids, pid)
	}
	return pids
}

// eventually waits for a condition and says what is still missing.
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(what)
		}
	}
}
