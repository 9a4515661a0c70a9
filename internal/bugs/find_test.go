//go:build planted

package bugs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// patienceOfOne is how long one run of tests may take. A bug by which a test
// never ends is not found: what is found has been said.
const patienceOfOne = 60 * time.Second

// TestEveryPlantedBugIsFound runs the tests that are named in the list without
// any bug, where they have to pass, and then each with its bug, where it has to
// fail. It is one binary of each package for both.
func TestEveryPlantedBugIsFound(t *testing.T) {
	homes := byHome()
	binaries := build(t, slices.Sorted(maps.Keys(homes)))
	for home, tests := range homes {
		output := run(t, binaries, home, "", pattern(tests))
		for _, name := range tests {
			if !said(output, "PASS", name) {
				t.Fatalf("%s does not pass without any bug:\n%s", name, output)
			}
		}
	}
	out := os.Stdout
	line := "| %-38s | %-23s | %-22s | %-19s | %7s |\n"
	_, _ = fmt.Fprintf(out, line, "bug", "planted in", "found by the tests of", "promise", "seconds")
	for _, b := range List() {
		began := time.Now()
		output := run(t, binaries, b.Home(), b.Name, pattern([]string{b.Test}))
		if !said(output, "FAIL", b.Test) {
			t.Errorf("%q is not found by %s of %s:\n%s", b.Name, b.Test, b.Home(), output)
			continue
		}
		_, _ = fmt.Fprintf(out, line, b.Name, b.Where, b.Home(), b.Promise, fmt.Sprintf("%.1f", time.Since(began).Seconds()))
		_, _ = fmt.Fprintf(out, "| %-38s   %s\n", "", b.Test)
	}
}

// byHome is the tests of the list by their package, each once.
func byHome() map[string][]string {
	homes := map[string][]string{}
	for _, b := range List() {
		if !slices.Contains(homes[b.Home()], b.Test) {
			homes[b.Home()] = append(homes[b.Home()], b.Test)
		}
	}
	return homes
}

// build makes the test binaries of packages as releases are built, but for the
// tag, and returns where they are.
func build(t *testing.T, homes []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"test", "-c", "-tags", "planted", "-trimpath", "-buildvcs=false", "-o", dir + "/"}
	for _, home := range homes {
		args = append(args, "./"+home)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests: %v\n%s", err, output)
	}
	return dir
}

// run runs tests where go test would, and returns what they say.
func run(t *testing.T, binaries, home, bug, tests string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfOne+10*time.Second)
	defer cancel()
	binary := filepath.Join(binaries, filepath.Base(home)+".test")
	output, err := guarded(ctx, t, guard.Spec{
		Path: binary, Args: []string{binary, "-test.v", "-test.timeout", patienceOfOne.String(), "-test.run", tests},
		Env: append(os.Environ(), variable+"="+bug), Dir: filepath.Join(root, home),
	})
	if err != nil {
		t.Fatalf("cannot run the tests of %s: %v\n%s", home, err, output)
	}
	return output
}

// pattern matches these tests and their subtests, and no others beside them.
func pattern(tests []string) string {
	depth := 0
	for _, name := range tests {
		depth = max(depth, strings.Count(name, "/"))
	}
	levels := make([]string, depth+1)
	for i := range levels {
		var parts []string
		for _, name := range tests {
			if elements := strings.Split(name, "/"); i < len(elements) {
				parts = append(parts, elements[i])
			}
		}
		levels[i] = "^(" + strings.Join(parts, "|") + ")$"
	}
	return strings.Join(levels, "/")
}

// said reports whether the output says so of the test by name.
func said(output, verdict, name string) bool {
	return strings.Contains(output, "--- "+verdict+": "+name+" (")
}
