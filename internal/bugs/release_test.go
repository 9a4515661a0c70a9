package bugs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs are those that carry shells with marks.
var programs = []string{"scheduler", "aggregator", "agent", "executor", "endprocess"}

// TestAReleaseHasNothingOfThePlantedBugs looks into the programs as they are
// released for the names of the bugs and of the package that marks them.
func TestAReleaseHasNothingOfThePlantedBugs(t *testing.T) {
	for _, program := range programs {
		if found := traces(released(t, program)); len(found) > 0 {
			t.Errorf("a released %s has %q in it", program, found)
		}
	}
}

// TestTheNamesOfPlantedBugsWouldBeSeenInAProgram shows that the test before
// would find them.
func TestTheNamesOfPlantedBugsWouldBeSeenInAProgram(t *testing.T) {
	found := traces(released(t, "endprocess", "-tags", "planted"))
	if len(found) < 2 {
		t.Errorf("in an end-process with planted bugs are only %q", found)
	}
}

// released builds a program with the flags of the Makefile, and others.
func released(t *testing.T, name string, flags ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "./cmd/"+name)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", name, err, output)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// traces is what of the planted bugs is in a program.
func traces(program []byte) (found []string) {
	names := []string{"pkg/run/planted"}
	for _, b := range List() {
		names = append(names, b.Name)
	}
	for _, name := range names {
		if bytes.Contains(program, []byte(name)) {
			found = append(found, name)
		}
	}
	return found
}
