package sim

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	seeds   = flag.Int("seeds", 2000, "how many seeds are run")
	seed    = flag.Uint64("seed", 0, "the one seed to run, with its transcript")
	first   = flag.Uint64("first", 1, "the first seed")
	without = flag.String("without", "", "kinds of faults to leave out")
	hosts   = flag.Int("hosts", 0, "at most so many hosts")
	jobs    = flag.Int("jobs", 0, "at most so many jobs")
	calm    = flag.Duration("calm", 0, "when the faults stop")
)

// TestEverySeedKeepsThePromises is the simulation.
func TestEverySeedKeepsThePromises(t *testing.T) {
	if *seed != 0 {
		one(t)
		return
	}
	began, total, steps := time.Now(), Tally{}, 0
	for s := range uint64(*seeds) {
		r := Run(Options{Seed: *first + s})
		steps += r.Steps
		total.add(r.Tally)
		if r.Broken != nil {
			t.Errorf("seed %d: %s", r.Options.Seed, r.Broken)
		}
	}
	t.Logf("%d seeds, %d steps, %s: %+v", *seeds, steps, time.Since(began).Round(time.Millisecond), total)
}

// one runs the one seed that was named.
func one(t *testing.T) {
	t.Helper()
	left, err := ParseFaults(*without)
	if err != nil {
		t.Fatal(err)
	}
	r := Run(Options{Seed: *seed, Without: left, Hosts: *hosts, Jobs: *jobs, Calm: *calm, Script: true})
	fmt.Println(strings.Join(r.Script, "\n"))
	if r.Broken != nil {
		t.Fatal(r.Broken)
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for s := range uint64(20) {
		one, two := Run(Options{Seed: s, Script: true}), Run(Options{Seed: s, Script: true})
		if !slices.Equal(one.Script, two.Script) || one.Steps != two.Steps {
			t.Fatalf("seed %d runs in two ways", s)
		}
	}
}
