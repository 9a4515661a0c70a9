package devcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// TestMain lets the test binary be what it starts.
func TestMain(m *testing.M) {
	if status, ok := Helper(context.Background(), os.Args); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

const (
	// serving writes its ready file as every tier does.
	serving = `trap 'exit 0' TERM; echo '{"pid":'$$'}' >ready.tmp; mv ready.tmp "$0"; while :; do sleep 0.05; done`
	failing = `echo 'cannot listen: no such luck' >&2; exit 3`
	silent  = `echo 'still thinking' >&2; while :; do sleep 1; done`
)

func toys(t *testing.T, scripts map[string]string) *crew {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "c")
	claimed, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.Start(t.Context(), guard.Options{
		Config: guard.Config{Marker: fmt.Sprintf("crew-%d-%d", os.Getpid(), time.Now().UnixNano()), Dir: dir},
		Binary: "/proc/self/exe", Log: filepath.Join(dir, "guard.log"), Lock: claimed.lock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	c := &crew{guard: g, members: map[string]*member{}}
	for name, script := range scripts {
		ready := filepath.Join(dir, name+".ready")
		home := filepath.Join(dir, name)
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		c.members[name] = &member{name: name, ready: ready, spec: guard.Spec{
			Name: name, Path: "/bin/sh", Args: []string{"sh", "-c", script, ready},
			Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: home, Log: filepath.Join(dir, name+".log"),
		}}
	}
	return c
}

func TestMembersAreStartedTogetherAndAwaited(t *testing.T) {
	c := toys(t, map[string]string{"a": serving, "b": serving})
	if err := c.start(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	if !c.running(t.Context(), "a") || !c.running(t.Context(), "b") {
		t.Error("not both are running")
	}
}

func TestAMemberThatEndsIsReportedWithTheEndOfItsLog(t *testing.T) {
	c := toys(t, map[string]string{"good": serving, "bad": failing})
	err := c.start(t.Context(), "good", "bad")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"bad ended with exit status 3 before it was ready", "no such luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestAMemberThatIsNeverReadyIsReportedWithTheEndOfItsLog(t *testing.T) {
	c := toys(t, map[string]string{"slow": silent})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := c.start(ctx, "slow")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still thinking") {
		t.Errorf("got %v", err)
	}
}

func TestAMemberIsKilledStoppedPausedAndStartedAgain(t *testing.T) {
	c := toys(t, map[string]string{"a": serving})
	ctx := t.Context()
	for _, sig := range []syscall.Signal{unix.SIGKILL, unix.SIGTERM} {
		if err := c.start(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if err := c.guard.Signal(ctx, "a", unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := c.end(ctx, "a", sig); err != nil { // a paused one can be ended, too
			t.Fatal(err)
		}
		if c.running(ctx, "a") {
			t.Error("it is still running")
		}
	}
	if err := c.end(ctx, "nobody", unix.SIGKILL); !errors.Is(err, ErrUnknownProcess) {
		t.Errorf("got %v, want ErrUnknownProcess", err)
	}
}
