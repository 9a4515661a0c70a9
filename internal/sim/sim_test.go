package sim

import (
	"flag"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

var (
	seeds   = flag.Int("seeds", manySeeds, "how many seeds are run")
	seed    = flag.Uint64("seed", 0, "the one seed to run, with its transcript")
	first   = flag.Uint64("first", 1, "the first seed")
	without = flag.String("without", "", "kinds of faults to leave out")
	hosts   = flag.Int("hosts", 0, "at most so many hosts")
	skip    = flag.Uint("skip", 0, "jobs that are not submitted, as bits")
	whole   = flag.Bool("whole", false, "leave nothing out of the transcript")
	calm    = flag.Duration("calm", 0, "when the faults stop")
)

// TestEverySeedKeepsThePromises is the simulation.
func TestEverySeedKeepsThePromises(t *testing.T) {
	if *seed != 0 {
		one(t)
		return
	}
	began := time.Now()
	results := runAll(Options{Seed: *first}, *seeds)
	total, steps, shown := Tally{}, 0, false
	for _, r := range results {
		steps += r.Steps
		total.Add(r.Tally)
		if r.Broken == nil {
			continue
		}
		t.Errorf("seed %d: %s", r.Options.Seed, r.Broken)
		if !shown {
			shown = true
			t.Log("the smallest world that breaks the same promise:\n" + Shrink(r).Transcript())
		}
	}
	t.Logf("%d seeds, %d steps, %s", *seeds, steps, time.Since(began).Round(time.Millisecond))
	if *seeds >= 500 && *without == "" {
		reached(t, total, *seeds)
	}
}

// runAll runs seeds from that of the options on all processors; each world by
// itself is one goroutine.
func runAll(o Options, n int) []Result {
	results := make([]Result, n)
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for by := range workers {
		wait.Go(func() {
			for i := by; i < n; i += workers {
				of := o
				of.Seed += uint64(i)
				results[i] = Run(of)
			}
		})
	}
	wait.Wait()
	return results
}

// one runs the one seed that was named.
func one(t *testing.T) {
	t.Helper()
	left, err := ParseFaults(*without)
	if err != nil {
		t.Fatal(err)
	}
	r := Run(Options{Seed: *seed, Without: left, Hosts: *hosts, Skip: *skip, Calm: *calm, Script: true, Whole: *whole})
	t.Log("\n" + r.Transcript())
	if r.Broken != nil {
		t.Fatal(r.Broken)
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for s := range uint64(20) {
		one, two, quiet := Run(Options{Seed: s, Script: true}), Run(Options{Seed: s, Script: true}), Run(Options{Seed: s})
		if !slices.Equal(one.Script, two.Script) || one.Steps != two.Steps || quiet.Steps != one.Steps {
			t.Fatalf("seed %d runs in two ways", s)
		}
	}
}

func TestFaultsAreReadAsTheyAreWritten(t *testing.T) {
	for _, f := range []Fault{0, SchedulerCrash, Wipe | UserRuns, AllFaults} {
		if got, err := ParseFaults(f.String()); err != nil || got != f {
			t.Errorf("%q is read as %v, %v", f, got, err)
		}
	}
	if _, err := ParseFaults("earthquake"); err == nil {
		t.Error("an unknown fault was taken")
	}
}

func TestAWorldWithoutFaultsIsCalm(t *testing.T) {
	for s := range uint64(30) {
		r := Run(Options{Seed: s + 1, Without: AllFaults})
		if r.Broken != nil || r.Tally["an attempt was started"]+r.Tally["a ping was answered"] == 0 {
			t.Errorf("seed %d: %v, %+v", s+1, r.Broken, r.Tally)
		}
		for _, kind := range faultNames {
			if r.Tally[kind] > 0 {
				t.Errorf("seed %d: %d faults of the kind %s", s+1, r.Tally[kind], kind)
			}
		}
	}
}
