package scale

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Figures are what the machine has spent on a run.
type Figures struct {
	Wall time.Duration
	Peak uint64 // bytes resident at most
	Of   Footprint
}

// Print writes what came of a run for a person.
func (r *Result) Print(out io.Writer, f Figures) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // a buffer, until Flush
	row("tasks\t%d, of which %d were started, each once", r.Tasks, r.Started)
	for s := task.Unknown; s <= task.Succeeded; s += 64 {
		if n := r.Outcomes[s]; n > 0 {
			row("  %s\t%d", s, n)
		}
	}
	row("virtual time\t%s, with %d pauses, %d resumes, %d writes fenced off", r.Lasted.Round(time.Second), r.Pauses, r.Resumes, r.Fenced)
	row("wall time\t%s (budget 10m0s)", f.Wall.Round(100*time.Millisecond))
	row("peak memory\t%s (budget 8 GiB)", bytes(f.Peak))
	row("steps of machines\t%d, %.0f/s; events %d, %.0f/s; messages %d", r.Steps, rate(r.Steps, f.Wall), r.Events, rate(r.Events, f.Wall), r.Messages)
	row("trace\t%016x", r.Trace)
	_ = t.Flush()
	r.printShards(out, f.Of)
	r.printAggregators(out)
	r.printTraffic(out)
}

func (r *Result) printShards(out io.Writer, of Footprint) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "\na shard of %d\tjobs\ttargets\tlive at most\tsteps\tcommits\ttask rows\tin memory at most\t\n", len(r.Shards))
	line := func(name string, s ShardLoad) {
		memory := float64(s.MostJobs) * of.SmallJob
		if s.Fleet {
			memory += of.Pending * float64(r.Traffic[1].Tasks)
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d jobs, %d targets\t%d\t%d\t%d\t%s\t\n",
			name, s.Jobs, s.Targets, s.MostJobs, s.MostTargets, s.Steps, s.Commits, s.Rows, bytes(uint64(memory)))
	}
	var small []ShardLoad
	for _, s := range r.Shards {
		if s.Fleet {
			line("with the job on all hosts", s)
		} else {
			small = append(small, s)
		}
	}
	slices.SortFunc(small, func(a, b ShardLoad) int { return a.Targets - b.Targets })
	line("the middle one of the others", small[len(small)/2])
	line("the largest of the others", small[len(small)-1])
	_ = t.Flush()
}

func (r *Result) printAggregators(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "\nan aggregator of %d\tsessions\ttasks held\treleases\treports\tmesh down, up\tsessions down, up\tmesh bytes down, up\tsession bytes down, up\t\n", len(r.Aggregators))
	all := slices.Clone(r.Aggregators)
	slices.SortFunc(all, func(a, b AggregatorLoad) int { return int(a.BytesUp) - int(b.BytesUp) })
	for _, of := range []struct {
		name string
		a    AggregatorLoad
	}{{"the middle one", all[len(all)/2]}, {"the busiest", all[len(all)-1]}} {
		a := of.a
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d, %d\t%d, %d\t%s, %s\t%s, %s\t\n", of.name, a.Sessions, a.MostRecords, a.Releases, a.Reports,
			a.MeshDown, a.MeshUp, a.SessionDown, a.SessionUp, bytes(a.BytesDown), bytes(a.BytesUp), bytes(a.BytesToHost), bytes(a.BytesFrom))
	}
	_ = t.Flush()
	_, _ = fmt.Fprintf(out, "besides, %.0f heartbeats a second of hosts that have nothing to say\n", float64(all[len(all)/2].Sessions)/heartbeatEvery.Seconds())
}

func (r *Result) printTraffic(out io.Writer) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\nbytes on the mesh for a task\tdown\tand capsule\tand proof\treports\tup\tthe pull\t")
	for i, name := range []string{"of a small job", "of the job on all hosts"} {
		if c := r.Traffic[i]; c.Tasks > 0 {
			n := float64(c.Tasks)
			_, _ = fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.1f\t%.1f\t\n",
				name, float64(c.Down)/n, float64(c.Capsules)/n, float64(c.Proofs)/n, float64(c.Reports)/n, float64(c.Up)/n, float64(c.Asked)/n)
		}
	}
	_ = t.Flush()
	s := r.sizes
	_, _ = fmt.Fprintf(out, "of these a release is %d, its target in the payload %d, a Forget %d; a report that it runs %d, an outcome %d with its signature (66)\n",
		s.release, s.target, s.named, s.live, s.final)
}

func rate(n uint64, d time.Duration) float64 { return float64(n) / d.Seconds() }

func bytes(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
