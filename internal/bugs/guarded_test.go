//go:build planted

package bugs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// TestMain lets the test binary be a guard.
func TestMain(m *testing.M) {
	if guard.IsGuard(os.Args) {
		os.Exit(guard.Main(context.Background(), os.Args))
	}
	os.Exit(m.Run())
}

// guarded runs a program to its end, or that of its time, and returns what it
// has said. Whatever it
// has started and left in the table of processes or in the directory for
// temporary files is gone then, or when this test is ended: end-processes
// outlive on purpose whoever started them, and a test with a bug may not get to
// its own end.
func guarded(ctx context.Context, t *testing.T, program guard.Spec) (output string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "planted-") // not that of the test: sockets are made in it, and their paths must be short
	if err != nil {
		return "", err
	}
	lock, err := os.Create(dir + ".lock")
	if err == nil {
		defer func() { _ = os.Remove(lock.Name()) }()
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	g, err := guard.Start(ctx, guard.Options{
		Config: guard.Config{Marker: filepath.Base(dir), Dir: dir},
		Binary: "/proc/self/exe", Log: filepath.Join(dir, "guard.log"), Lock: lock,
	})
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, g.Close(context.WithoutCancel(ctx))) }()
	program.Name, program.Log = "program", filepath.Join(dir, "output")
	program.Env = append(program.Env, "TMPDIR="+dir)
	if _, err := g.Start(ctx, program); err != nil {
		return "", err
	}
	_, waited := g.Wait(ctx, program.Name)
	if errors.Is(waited, context.DeadlineExceeded) {
		waited = nil // it is killed for it, and what it has said counts
	}
	said, err := os.ReadFile(program.Log)
	return string(said), errors.Join(waited, err)
}

func TestNothingOfAProgramIsLeftAfterItsEnd(t *testing.T) {
	output, err := guarded(t.Context(), t, guard.Spec{
		Path: "/bin/sh", Args: []string{"sh", "-c", `env -i setsid sleep 600 & mktemp -d; echo "pid $!"; exit 3`}, Dir: "/", Env: os.Environ(),
	})
	var dir string
	var pid int
	if _, scanned := fmt.Sscanf(output, "%s\npid %d\n", &dir, &pid); err != nil || scanned != nil {
		t.Fatalf("it says %q (%v, %v)", output, err, scanned)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("its child %d lives on: %v", pid, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory %s is left: %v", dir, err)
	}
}
