package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// holding runs a test at every place that holds the limit.
func holding(t *testing.T, limit string, test func(t *testing.T, f Found)) {
	t.Helper()
	some := false
	for name, f := range places(t) {
		if slices.Contains(f.Holds, limit) {
			some = true
			t.Run(name, func(t *testing.T) { test(t, f) })
		}
	}
	if !some {
		t.Skipf("no cgroup of this host holds a limit of %s: it needs that controller", limit)
	}
}

func TestATreeIsHeldToItsMemoryAndItsEndIsCounted(t *testing.T) {
	holding(t, MemoryLimit, func(t *testing.T, f Found) {
		t.Helper()
		l := Limits{Memory: 16 << 20}
		g, unheld := made(t, f.Place, l)
		if len(unheld) != 0 {
			t.Fatalf("not held: %q", unheld)
		}
		if n, err := g.OOMKills(); n != 0 || err != nil {
			t.Errorf("%d kills, %v, before anything ran", n, err)
		}
		// Half the limit each, in two processes that live side by side.
		cmd := born(t, g, l, `x=$(head -c 8000000 /dev/zero | tr '\0' x); y=$(head -c 64000000 /dev/zero | tr '\0' y); echo ${#x}${#y} >/dev/null; exit 0`)
		err := cmd.Wait()
		kills, oomErr := g.OOMKills()
		if kills == 0 || oomErr != nil {
			t.Errorf("it ended with %v; %d kills were counted, %v", err, kills, oomErr)
		}
	})
}

func TestATreeIsHeldToItsNumberOfProcesses(t *testing.T) {
	holding(t, PIDsLimit, func(t *testing.T, f Found) {
		t.Helper()
		l := Limits{PIDs: 4}
		g, _ := made(t, f.Place, l)
		out := filepath.Join(t.TempDir(), "out")
		gate := filepath.Join(t.TempDir(), "gate")
		if err := unix.Mkfifo(gate, 0o600); err != nil {
			t.Fatal(err)
		}
		// The shell is one; three more fit. One that cannot fork ends.
		cmd := born(t, g, l, "exec 2>"+out+"; read x <"+gate+"; for i in 1 2 3; do sleep 10 & done; echo three >&2; sleep 10 & echo four >&2")
		if err := os.WriteFile(gate, []byte("go\n"), 0o600); err != nil { // now the forking thread is not in it any more
			t.Fatal(err)
		}
		_ = cmd.Wait()
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(data); !strings.HasPrefix(text, "three\n") || strings.Contains(text, "four") {
			t.Errorf("three fit beside the shell, a fourth does not; it said %q", text)
		}
	})
}

func TestATreeIsHeldToItsShareOfTheCPU(t *testing.T) {
	holding(t, CPULimit, func(t *testing.T, f Found) {
		t.Helper()
		l := Limits{CPU: 100}
		g, _ := made(t, f.Place, l)
		born(t, g, l, "while :; do :; done & while :; do :; done")
		path, err := g.file(cpu, "cpu.stat", "cpu.stat")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "it to be held back in five periods", func() bool {
			throttled, err := keyed(path, "nr_throttled")
			return err == nil && throttled >= 5
		})
	})
}

func TestAPlaceIsFoundWithWhatItHolds(t *testing.T) {
	for name, f := range places(t) {
		if name == "v1" || name == "v1 without a freezer" {
			continue // made of another
		}
		if f.Why != nil && f.Place == (Place{}) {
			t.Errorf("%s: %v", name, f.Why)
		}
	}
	auto := Find(Search{Choice: UseAuto, Prefix: "test-auto-", Program: "/bin/true"})
	for name, f := range places(t) {
		if len(f.Holds) > len(auto.Holds) {
			t.Errorf("auto is %s and holds %q; %s holds %q", auto.Place.Version(), auto.Holds, name, f.Holds)
		}
	}
	if left, err := auto.Place.Groups(); len(left) != 0 || err != nil {
		t.Errorf("the trial left %+v, %v", left, err)
	}
}

func TestNothingIsLookedForIfNothingIsWanted(t *testing.T) {
	if f := Find(Search{Choice: UseNone, Prefix: "x-", Program: "/bin/true"}); f.Place != (Place{}) || f.Why != nil || len(f.Holds) != 0 {
		t.Errorf("found %+v", f)
	}
}

func TestAHostWhereNoProgramCanBeBornInAGroupHasNone(t *testing.T) {
	places(t)
	f := Find(Search{Choice: UseAuto, Prefix: "test-broken-", Program: "/nonexistent"})
	if f.Place != (Place{}) || f.Why == nil {
		t.Errorf("found %+v", f)
	}
}

func TestAParentIsMadeAndUsed(t *testing.T) {
	places(t)
	f := Find(Search{Choice: UseAuto, Parent: "/ccs-test.slice", Prefix: "x-", Program: "/bin/true"})
	if f.Place == (Place{}) {
		t.Fatal(f.Why)
	}
	for _, entry := range f.Place.Entries() {
		if !strings.HasSuffix(entry, "/ccs-test.slice/ccs/x-") {
			t.Errorf("a place is %s", entry)
		}
	}
	for _, prefix := range f.Place.at {
		if prefix != "" {
			dir := filepath.Dir(prefix)
			if err := removeDir(filepath.Dir(dir)); err != nil {
				t.Error(err)
			}
		}
	}
}
