package guard_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

const frontWord = "be-the-front"

// TestMain lets the test binary be a guard, and a front that can be killed.
func TestMain(m *testing.M) {
	switch {
	case guard.IsGuard(os.Args):
		os.Exit(guard.Main(context.Background(), os.Args))
	case len(os.Args) == 4 && os.Args[1] == frontWord:
		os.Exit(beTheFront(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// stubborn starts a family that means to survive: it ignores every polite
// signal, and its daemon has left the session, the parent and the environment.
func stubborn(dir, token string) guard.Spec {
	script := `trap "" TERM HUP INT
env -i setsid sh -c 'trap "" TERM HUP INT; : >daemon-up; while :; do sleep 1; done' ` + token + ` </dev/null >/dev/null 2>&1 &
setsid sh -c 'trap "" TERM HUP INT; : >marked-up; while :; do sleep 1; done' ` + token + ` </dev/null >/dev/null 2>&1 &
while [ ! -e daemon-up ] || [ ! -e marked-up ]; do sleep 0.01; done
: >up; while :; do sleep 1; done`
	return guard.Spec{
		Name: "stubborn", Path: "/bin/sh", Args: []string{"sh", "-c", script, token},
		Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: dir, Log: filepath.Join(dir, "log"),
	}
}

func startGuard(ctx context.Context, dir, marker string) (*guard.Guard, error) {
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, err
	}
	return guard.Start(ctx, guard.Options{
		Config: guard.Config{Marker: marker, Dir: dir},
		Binary: "/proc/self/exe", Log: filepath.Join(dir, "guard.log"), Lock: lock,
	})
}

func beTheFront(dir, token string) int {
	ctx := context.Background()
	g, err := startGuard(ctx, dir, token)
	if err == nil {
		_, err = g.Start(ctx, stubborn(dir, token))
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error:", err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, "started", g.PID())
	select {} // until killed
}

func TestNothingIsLeftAfterAShutdownInGoodOrder(t *testing.T) {
	g, dir, token := guarded(t)
	polite := guard.Spec{
		Name: "polite", Path: "/bin/sh", Args: []string{"sh", "-c", `trap 'exit 7' TERM; : >polite; while :; do sleep 0.05; done`, token},
		Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: dir, Log: filepath.Join(dir, "log"),
	}
	if _, err := g.Start(t.Context(), polite); err != nil {
		t.Fatal(err)
	}
	waitForFile(t, filepath.Join(dir, "polite"))
	exit := make(chan guard.Exit, 1)
	go func() {
		e, _ := g.Wait(t.Context(), "polite")
		exit <- e
	}()
	killed, err := g.Shutdown(t.Context(), [][]string{{"polite"}, {"stubborn"}}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(killed) != "[stubborn]" {
		t.Errorf("killed %v, want only the stubborn one", killed)
	}
	if e := <-exit; e.Code != 7 {
		t.Errorf("the polite one %v, want exit status 7", e)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	nothingIsLeft(t, dir, token)
}

func TestNothingIsLeftWhenTheFrontIsKilled(t *testing.T) {
	front, _, dir, token := killableFront(t)
	kill(t, front.Process.Pid)
	_ = front.Wait()
	nothingIsLeft(t, dir, token)
}

func TestNothingIsLeftWhenTheOuterGuardIsKilled(t *testing.T) {
	g, dir, token := guarded(t)
	kill(t, g.PID())
	<-g.Gone()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	nothingIsLeft(t, dir, token)
}

func TestNothingIsLeftWhenTheInnerGuardIsKilled(t *testing.T) {
	g, dir, token := guarded(t)
	kill(t, onlyChild(t, g.PID()))
	<-g.Gone()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	nothingIsLeft(t, dir, token)
}

func TestNothingIsLeftWhenTheFrontAndOneGuardAreKilledTogether(t *testing.T) {
	for _, which := range []string{"outer", "inner"} {
		t.Run(which, func(t *testing.T) {
			front, outer, dir, token := killableFront(t)
			victim := outer
			if which == "inner" {
				victim = onlyChild(t, outer)
			}
			kill(t, front.Process.Pid)
			kill(t, victim)
			_ = front.Wait()
			nothingIsLeft(t, dir, token)
		})
	}
}

func TestWhatCarriesTheMarkerGoesEvenWhenBothGuardsAreKilled(t *testing.T) {
	g, dir, token := guarded(t)
	inner := onlyChild(t, g.PID())
	for _, pid := range []int{g.PID(), inner} { // stopped first, so that neither sees the other die
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	// The daemon that left its environment is out of reach now: found and
	// ended here by the token that only this test knows.
	kill(t, inner)
	kill(t, g.PID())
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := guard.Leftovers(token)
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	for _, pid := range withToken(t, token) {
		kill(t, pid)
	}
	nothingIsLeft(t, dir, token)
}

func TestAnotherClustersProcessesAreLeftAlone(t *testing.T) {
	mine, dir, token := guarded(t)
	other, _, otherToken := guarded(t)
	before := len(withToken(t, otherToken))
	if err := mine.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	nothingIsLeft(t, dir, token)
	if now := len(withToken(t, otherToken)); now != before {
		t.Errorf("the other cluster has %d processes, had %d", now, before)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAProcessIsStartedOnceUnderAName(t *testing.T) {
	g, dir, token := guarded(t)
	if _, err := g.Start(t.Context(), stubborn(dir, token)); err == nil || !strings.Contains(err.Error(), "running") {
		t.Errorf("a second start: %v", err)
	}
	if err := g.Signal(t.Context(), "stubborn", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	exit, err := g.Wait(t.Context(), "stubborn")
	if err != nil || exit.Signal != syscall.SIGKILL {
		t.Errorf("exit %v, %v", exit, err)
	}
	if err := g.Signal(t.Context(), "stubborn", syscall.SIGKILL); err == nil {
		t.Error("what has ended was signalled")
	}
	if _, err := g.Start(t.Context(), stubborn(dir, token)); err != nil {
		t.Errorf("start after its end: %v", err)
	}
	if _, err := g.Start(t.Context(), guard.Spec{Name: "none", Path: "/nowhere/none", Log: filepath.Join(dir, "log")}); err == nil {
		t.Error("a binary that is not there was started")
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	nothingIsLeft(t, dir, token)
}

// guarded starts guards in this process with the stubborn family running.
func guarded(t *testing.T) (g *guard.Guard, dir, token string) {
	t.Helper()
	dir, token = newDir(t), newToken(t)
	g, err := startGuard(t.Context(), dir, token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start(t.Context(), stubborn(dir, token)); err != nil {
		t.Fatal(err)
	}
	waitForFile(t, filepath.Join(dir, "up"))
	return g, dir, token
}

// killableFront is the same in a process of its own.
func killableFront(t *testing.T) (front *exec.Cmd, outer int, dir, token string) {
	t.Helper()
	dir, token = newDir(t), newToken(t)
	front = exec.Command("/proc/self/exe", frontWord, dir, token)
	out, err := front.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := front.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "started %d", &outer); err != nil {
		t.Fatalf("the front said %q", line)
	}
	waitForFile(t, filepath.Join(dir, "up"))
	return front, outer, dir, token
}

func newDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newToken(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("guard-test-%d-%d", os.Getpid(), time.Now().UnixNano())
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	eventually(t, func() string {
		if _, err := os.Stat(path); err != nil {
			return err.Error()
		}
		return ""
	})
}

// nothingIsLeft waits until no process has the token in its arguments or
// environment and the directory is gone.
func nothingIsLeft(t *testing.T, dir, token string) {
	t.Helper()
	eventually(t, func() string {
		if pids := withToken(t, token); len(pids) != 0 {
			return fmt.Sprintf("processes %v are left", pids)
		}
		if _, err := os.Stat(dir); err == nil {
			return "the directory is left"
		}
		return ""
	})
}

// withToken finds processes by a word that nobody else has, zombies excluded.
func withToken(t *testing.T, token string) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(name))
		args, _ := os.ReadFile(name + "/cmdline")
		env, _ := os.ReadFile(name + "/environ")
		if pid != os.Getpid() && (bytes.Contains(args, []byte(token)) || bytes.Contains(env, []byte(token))) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func onlyChild(t *testing.T, pid int) (child int) {
	t.Helper()
	eventually(t, func() string {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			return err.Error()
		}
		tids, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, name := range tids {
			more, _ := os.ReadFile(name)
			raw = append(raw, more...)
		}
		if fields := strings.Fields(string(raw)); len(fields) > 0 {
			if child, err = strconv.Atoi(fields[0]); err != nil {
				t.Fatal(err)
			}
			return ""
		}
		return "no child yet"
	})
	return child
}

// eventually waits for a condition and says what is still missing.
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
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

func TestSomebodyWhoWaitsDoesNotHoldUpTheEnd(t *testing.T) {
	g, dir, token := guarded(t)
	waited := make(chan error, 1)
	go func() {
		_, err := g.Wait(t.Context(), "stubborn")
		waited <- err
	}()
	began := time.Now()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := <-waited; err == nil {
		t.Error("a wait came back without an error though nobody knows how it ended")
	}
	nothingIsLeft(t, dir, token)
}
