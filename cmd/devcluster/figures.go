package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// The budget of submit → first start on an idle cluster.
const (
	budgetP50 = 15 * time.Millisecond
	budgetP99 = 40 * time.Millisecond
)

// errOverBudget is returned for --strict.
var errOverBudget = errors.New("submit → first start is over its budget")

// quantile is the time within which this share (0..1) of the times lies, by
// the nearest rank.
func quantile(times []time.Duration, share float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	rank := int(share*float64(len(sorted)) + 1 - 1e-9) // rounded up
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// figure is a line of the report.
type figure struct {
	label string
	of    func(round) time.Duration
}

var figures = []figure{
	{"accepted: Submit has answered", func(r round) time.Duration { return r.accepted }},
	{"first start, as the host says", func(r round) time.Duration { return r.started }},
	{"result durable, as the watch says", func(r round) time.Duration { return r.settled }},
	{"first output in the client's hands", func(r round) time.Duration { return r.output }},
}

var floorFigures = []figure{
	{fmt.Sprintf("floor: %d fsyncs before the start", fsyncsToStart), func(r round) time.Duration { return r.floor.toStart }},
	{fmt.Sprintf("floor: %d gRPC calls, one way", hopsToStart), func(r round) time.Duration { return r.floor.hops }},
	{"floor: one start of ccs-endprocess", func(r round) time.Duration { return r.floor.process }},
	{"floor of the first start: their sum", func(r round) time.Duration { return r.floor.sum() }},
	{fmt.Sprintf("floor: all %d fsyncs to the result", fsyncsToResult), func(r round) time.Duration { return r.floor.toResult }},
}

func pick(rounds []round, of func(round) time.Duration) []time.Duration {
	times := make([]time.Duration, len(rounds))
	for i, r := range rounds {
		times[i] = of(r)
	}
	return times
}

// report prints the figures, and fails only where strict asks for it.
func report(w io.Writer, rounds []round, strict bool) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("\n%d jobs of one command on one idle host, one after another; from the call of Submit to", len(rounds))
	say("  %-36s %9s %9s %9s %9s", "", "p50", "p90", "p99", "max")
	for _, f := range slices.Concat(figures, floorFigures) {
		times := pick(rounds, f.of)
		say("  %-36s %9s %9s %9s %9s", f.label,
			ms(quantile(times, 0.5)), ms(quantile(times, 0.9)), ms(quantile(times, 0.99)), ms(quantile(times, 1)))
	}
	started := pick(rounds, func(r round) time.Duration { return r.started })
	floor := pick(rounds, func(r round) time.Duration { return r.floor.sum() })
	p50, p99 := quantile(started, 0.5), quantile(started, 0.99)
	floor50, floor99 := quantile(floor, 0.5), quantile(floor, 0.99)
	say("First start: %.1f times its floor at p50, %.1f times at p99.", ratio(p50, floor50), ratio(p99, floor99))
	holds := within(p50, p99)
	verdict := "holds"
	switch {
	case !holds && !within(floor50, floor99):
		verdict = "DOES NOT HOLD, nor could it: the floor alone is over it, so this machine is too slow or too busy now"
	case !holds:
		verdict = "DOES NOT HOLD"
	}
	say("The budget, p50 at most %s and p99 at most %s, %s.", budgetP50, budgetP99, verdict)
	if strict && !holds {
		return fmt.Errorf("%w: p50 is %s and p99 is %s", errOverBudget, ms(p50), ms(p99))
	}
	return nil
}

func within(p50, p99 time.Duration) bool { return p50 <= budgetP50 && p99 <= budgetP99 }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}
