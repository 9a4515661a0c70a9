// Package latency proves that `devcluster latency` works with the real
// binaries: a cluster of one host, some jobs, every line of the report, and
// nothing left. Figures are for make bench-latency; a test machine is busy.
package latency

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
)

func TestTheBenchTimesJobsBesideTheirFloorAndLeavesNothing(t *testing.T) {
	bin := rig.Bin(t)
	dir := filepath.Join(rig.Dir(t), "c")
	said := rig.Program(t, nil, filepath.Join(bin, "devcluster"), "latency", "--jobs", "3", "--bin", bin, "--dir", dir)
	if said.Status != 0 {
		t.Fatalf("it ended with status %d and said\n%s%s", said.Status, said.Out, said.Err)
	}
	for _, label := range []string{
		"accepted", "first start,", "result durable", "first output",
		"floor: 6 fsyncs before the start", "floor: 5 gRPC calls", "floor: one start of ccs-endprocess", "floor of the first start",
		"floor: all 11 fsyncs",
	} {
		if !regexp.MustCompile(`(?m)^  ` + label + `.*( +[0-9]+\.[0-9]{2} ms){4}$`).MatchString(said.Out) {
			t.Errorf("there is no line of four times that begins with %q in\n%s", label, said.Out)
		}
	}
	for _, want := range []string{"3 jobs of one command", "times its floor at p50", "The budget, p50 at most 15ms and p99 at most 40ms,"} {
		if !strings.Contains(said.Out, want) {
			t.Errorf("%q is missing in\n%s", want, said.Out)
		}
	}
	if left := rig.Left(t, dir); left != "" {
		t.Error(left)
	}
}
