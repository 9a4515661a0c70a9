package scale

import (
	"fmt"
	"runtime"
	"testing"
	"text/tabwriter"
	"time"
)

// cost is what a small job takes, all its tiers and hosts together.
type cost struct{ steps, commits, messages, allocated, time float64 }

// costOf runs small jobs alone, and counts from when all hosts are here.
func costOf(t *testing.T, fleet, rooms, jobs int) cost {
	t.Helper()
	var before, after runtime.MemStats
	var began time.Time
	r := Run(Options{Seed: *seed, Hosts: fleet, Rooms: rooms, Jobs: jobs, Calm: true, Gathered: func() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		began = time.Now()
	}})
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	for _, b := range r.Broken {
		t.Error(b)
	}
	n := float64(jobs)
	gathering := uint64(processes+2) * uint64(fleet) // a heartbeat, its reply, and the attachments of each host
	return cost{
		float64(r.Steps) / n, float64(r.Commits) / n, float64(r.Messages-gathering) / n,
		float64(after.TotalAlloc-before.TotalAlloc) / n, float64(took.Microseconds()) / n,
	}
}

// Nothing may cost in proportion to the fleet when a job is small (architecture
// section 10): a fleet a hundred times as large makes what is counted no more (of the
// small version: ten times).
// The time is shown, and may grow as far as larger tables miss caches.
func TestASmallJobCostsTheSameBesideALargeFleet(t *testing.T) {
	large := *hosts
	small := max(large/100, 25**rooms)
	few, many := costOf(t, small, *rooms, max(*jobs/10, 100)), costOf(t, large, *rooms, max(*jobs/10, 100))
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(out, "a small job\t%d hosts\t%d hosts\tratio\tat most\t\n", small, large)
	for _, row := range []struct {
		name      string
		few, many float64
		most      float64
	}{
		{"steps", few.steps, many.steps, 1.1},
		{"commits", few.commits, many.commits, 1.1},
		{"messages", few.messages, many.messages, 1.25},
		{"bytes allocated", few.allocated, many.allocated, 1.5},
		{"microseconds", few.time, many.time, 0},
	} {
		ratio := row.many / row.few
		most := "shown"
		if row.most > 0 {
			most = fmt.Sprintf("%.2f", row.most)
		}
		_, _ = fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.2f\t%s\t\n", row.name, row.few, row.many, ratio, most)
		if row.most > 0 && ratio > row.most {
			t.Errorf("%s: %.1f beside %d hosts, %.1f beside %d", row.name, row.few, small, row.many, large)
		}
	}
	_ = out.Flush()
}
