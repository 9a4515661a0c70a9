//go:build planted

package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var only = flag.String("bug", "", "the one bug to look for")

// TestEveryPlantedBugIsFound plants one bug after another and looks for a seed
// that breaks a promise. The seeds are those that keep all promises without it.
func TestEveryPlantedBugIsFound(t *testing.T) {
	defer plant("")
	out := os.Stdout
	_, _ = fmt.Fprintf(out, "| %-46s | %-10s | %6s | %-20s | %8s |\n", "bug", "planted in", "seed", "promise", "steps")
	for _, b := range Bugs() {
		if *only != "" && b.Name != *only {
			continue
		}
		found, steps := find(t, b)
		if found == nil {
			t.Errorf("%q is not found in %d seeds, %d steps", b.Name, *seeds, steps)
			continue
		}
		_, _ = fmt.Fprintf(out, "| %-46s | %-10s | %6d | %-20s | %8d |\n", b.Name, b.Where, found.Options.Seed, found.Broken.Promise, steps)
	}
}

// TestAFailingSeedIsShrunk plants a bug and looks at what a person gets to see.
func TestAFailingSeedIsShrunk(t *testing.T) {
	const name = "W not kept"
	plant(name)
	defer plant("")
	for s := uint64(1); ; s++ {
		r := Run(Options{Seed: s, Bug: name})
		if r.Broken == nil {
			continue
		}
		small := Shrink(r)
		if small.Broken == nil || small.Broken.Promise != r.Broken.Promise || small.Options.Without == 0 {
			t.Fatalf("%v became %v, without %s", r.Broken, small.Broken, small.Options.Without)
		}
		t.Log("\n" + small.Transcript())
		return
	}
}

// find is the first seed that breaks a promise with the bug, and keeps it without.
func find(t *testing.T, b Bug) (found *Result, steps int) {
	t.Helper()
	for s := range uint64(*seeds) {
		plant(b.Name)
		r := Run(Options{Seed: *first + s, Bug: b.Name})
		steps += r.Steps
		if r.Broken == nil {
			continue
		}
		plant("")
		if clean := Run(Options{Seed: *first + s}); clean.Broken != nil {
			t.Fatalf("seed %d breaks a promise without any bug: %s", *first+s, clean.Broken)
		}
		return &r, steps
	}
	return nil, steps
}
