package scale

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	hosts = flag.Int("hosts", 5_000, "hosts of the fleet")
	rooms = flag.Int("rooms", 20, "rooms of the fleet")
	jobs  = flag.Int("jobs", 100, "small jobs")
	seed  = flag.Uint64("seed", 1, "the fleet to run")
)

// The budgets of the run on the whole fleet.
const (
	mostWall   = 10 * time.Minute
	mostMemory = 8 << 30
)

func theFleet() Options {
	return Options{Seed: *seed, Hosts: *hosts, Rooms: *rooms, Jobs: *jobs, Fleet: true, Away: 4}
}

func TestTheFleetIsServed(t *testing.T) {
	of := Measure(*rooms, *hosts / *rooms)
	began := time.Now()
	r := Run(theFleet())
	f := Figures{Wall: time.Since(began), Peak: peak(t), Of: of}
	_, _ = fmt.Fprintf(t.Output(), "%d hosts in %d rooms, one job on all of them and %d small ones, seed %d\n\n", *hosts, *rooms, *jobs, *seed)
	r.Print(t.Output(), f)
	for _, b := range r.Broken {
		t.Error(b)
	}
	if f.Wall > mostWall || f.Peak > mostMemory {
		t.Errorf("%s and %d bytes", f.Wall, f.Peak)
	}
	if r.Started < r.Tasks*9/10 || r.Pauses == 0 || r.Resumes == 0 || r.Fenced != 1 {
		t.Errorf("the run does not reach what it is for: %d started, %d pauses, %d resumes, %d fenced", r.Started, r.Pauses, r.Resumes, r.Fenced)
	}
}

func TestTheSameSeedIsTheSameFleet(t *testing.T) {
	o := Options{Seed: 7, Hosts: 400, Rooms: 4, Jobs: 60, Fleet: true, Away: 50}
	one, two := Run(o), Run(o)
	if !reflect.DeepEqual(one, two) {
		t.Errorf("seed 7 runs in two ways: %016x and %016x", one.Trace, two.Trace)
	}
	if o.Seed++; Run(o).Trace == one.Trace {
		t.Error("another seed is the same run")
	}
}

func TestManySmallFleetsAreServed(t *testing.T) {
	for s := range uint64(20) {
		r := Run(Options{Seed: s, Hosts: 200, Rooms: 4, Jobs: 40, Fleet: true, Away: 200})
		for _, b := range r.Broken {
			t.Errorf("seed %d: %s", s, b)
		}
	}
}

// peak is the most memory that this process ever had resident.
func peak(t *testing.T) uint64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib uint64
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			if _, err := fmt.Sscan(text, &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not say it")
	return 0
}
