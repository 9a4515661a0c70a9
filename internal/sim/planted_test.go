//go:build planted

package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var only = flag.String("bug", "", "the one bug to look for; what it does is printed")

// mostUnreadable is how many of a hundred planted bugs may have a transcript that
// is longer than a person likes to read.
const mostUnreadable = 20

// TestEveryPlantedBugIsFound plants one bug after another and looks for a seed
// that breaks a promise. The seed keeps all promises without it, and what the bug
// does can be read.
func TestEveryPlantedBugIsFound(t *testing.T) {
	defer plant("")
	out := os.Stdout
	_, _ = fmt.Fprintf(out, "| %-46s | %-10s | %6s | %-20s | %9s | %5s |\n", "bug", "planted in", "seed", "promise", "steps", "lines")
	shown, long := 0, 0
	for _, b := range Bugs() {
		if *only != "" && b.Name != *only {
			continue
		}
		found, steps := find(t, b)
		if found == nil {
			t.Errorf("%q is not found in %d seeds, %d steps", b.Name, *seeds, steps)
			continue
		}
		text := read(t, *found, b)
		if *only != "" {
			t.Log("\n" + text)
		}
		lines := strings.Count(text, "\n")
		if shown++; lines > enough {
			long++
		}
		_, _ = fmt.Fprintf(out, "| %-46s | %-10s | %6d | %-20s | %9d | %5d |\n", b.Name, b.Where, found.Options.Seed, found.Broken.Promise, steps, lines)
	}
	if long*100 > shown*mostUnreadable {
		t.Errorf("%d of %d transcripts are longer than %d lines", long, shown, enough)
	}
}

// read is what a person gets to read of a bug. It was made smaller, and is still
// the same broken promise.
func read(t *testing.T, found Result, b Bug) string {
	t.Helper()
	plant(b.Name)
	small := Shrink(found)
	if small.Broken == nil || small.Broken.Promise != found.Broken.Promise {
		t.Fatalf("%q: %v became %v", b.Name, found.Broken, small.Broken)
	}
	text := small.Transcript()
	if !strings.Contains(text, string(found.Broken.Promise)) || !strings.Contains(text, "-seed=") {
		t.Fatalf("%q: the transcript does not say what broke, or how to see it again:\n%s", b.Name, text)
	}
	return text
}

// find is the first seed that breaks a promise with the bug, and keeps it without.
func find(t *testing.T, b Bug) (found *Result, steps int) {
	t.Helper()
	const atOnce = 16
	for s := *first; s < *first+uint64(*seeds); s += atOnce {
		plant(b.Name)
		for _, r := range runAll(Options{Seed: s, Bug: b.Name}, atOnce) {
			steps += r.Steps
			if r.Broken == nil {
				continue
			}
			plant("")
			if clean := Run(Options{Seed: r.Options.Seed}); clean.Broken != nil {
				t.Fatalf("seed %d breaks a promise without any bug: %s", r.Options.Seed, clean.Broken)
			}
			return &r, steps
		}
	}
	return nil, steps
}
