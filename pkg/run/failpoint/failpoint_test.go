//go:build failpoint

package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/failpoint"
)

// variable makes the test binary pass an armed point instead of running tests.
const variable = "CCS_FAILPOINT_TEST"

func TestMain(m *testing.M) {
	if path := os.Getenv(variable); path != "" {
		failpoint.Arm(path)
		failpoint.At("here", func() string { return "a poisoned job" })
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// passed is what becomes of a process that passes the point "here" with a subject
// that has the word "poisoned".
func passed(t *testing.T, arms string) (status int, said string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "failpoints")
	if err := os.WriteFile(path, []byte(arms), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+path)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output)
}

func TestAPointDoesWhatItsFileAsks(t *testing.T) {
	for _, c := range []struct {
		arms   string
		status int
		said   string
	}{
		{"", 0, ""},
		{"here panic healthy\nthere panic poisoned\nhere panic\n", 0, ""},
		{"here panic poisoned\n", 2, "panic: failpoint here"},
		{"here exit healthy\nhere exit poisoned\n", 86, ""},
		{"here overflow poisoned\n", 2, "stack overflow"},
		{"here dance poisoned\n", 2, "there is no action dance"},
	} {
		status, said := passed(t, c.arms)
		if status != c.status || !strings.Contains(said, c.said) {
			t.Errorf("with %q the process ended with %d, want %d and %q:\n%.400s", c.arms, status, c.status, c.said, said)
		}
	}
}

func TestAPointWithoutAFileIsPassed(t *testing.T) {
	never := func() string { t.Error("somebody asked for the subject"); return "" }
	failpoint.At("here", never)
	failpoint.Arm(filepath.Join(t.TempDir(), "missing"))
	failpoint.At("here", never)
}
