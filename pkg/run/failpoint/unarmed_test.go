//go:build !failpoint

package failpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/failpoint"
)

func TestWithoutItsBuildTagAPointIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "failpoints")
	if err := os.WriteFile(path, []byte("here panic poisoned\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	failpoint.Arm(path)
	failpoint.At("here", func() string { t.Error("somebody asked for the subject"); return "poisoned" })
}

// traces is what of failpoints is in a scheduler that is built as releases are,
// with other flags beside.
func traces(t *testing.T, flags ...string) (found []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scheduler")
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./cmd/scheduler")...)
	cmd.Dir, cmd.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the scheduler: %v\n%s", err, output)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pkg/run/failpoint", "scheduler.submit", "shard.create", "shard.heard", "shard.restore"} {
		if bytes.Contains(program, []byte(name)) {
			found = append(found, name)
		}
	}
	return found
}

func TestAReleaseHasNothingOfFailpoints(t *testing.T) {
	if found := traces(t); len(found) > 0 {
		t.Errorf("a released scheduler has %q in it", found)
	}
	if found := traces(t, "-tags", "failpoint"); len(found) != 5 {
		t.Errorf("in a scheduler with failpoints are only %q: the look for them finds nothing", found)
	}
}
