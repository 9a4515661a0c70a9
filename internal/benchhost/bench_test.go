// Package benchhost measures how many durable commands a second a host runs,
// through the built executor and its socket, beside bare fork and exec, beside
// the smallest Go wrapper, and beside a floor of that wrapper and the same
// fsyncs, all in the same run: only such ratios can be compared, absolute figures
// drift with the machine. `make bench-host` runs it and judges it by the budget;
// in `make test` it runs a round and only looks that what is measured is done.
package benchhost

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	rounds = flag.Int("rounds", 1, "rounds of each contender, in turn")
	judge  = flag.Bool("judge", false, "fail if the budget is missed")
)

// least is the budget: durable commands over the floor of the same fsyncs and the
// smallest wrapper.
const least = 0.5

// contender is one way to run /bin/true. once may be called from any goroutine.
type contender struct {
	name string
	once func(tb testing.TB) error
}

func TestDurableCommands(t *testing.T) {
	wrapper := program(t, "internal/benchhost/wrapper", "wrapper")
	e := startExecutor(t)
	all := []contender{bare(), wrapped(wrapper), floor(t, wrapper), e.contender()}
	for _, at := range []int{1, 8, 64} {
		t.Run(fmt.Sprintf("%d at a time", at), func(t *testing.T) {
			ratio := compare(t, at, all)
			tell(t, e.take())
			if *judge && ratio < least {
				t.Errorf("%.2f of the floor's commands are run, the budget is at least %.1f", ratio, least)
			}
		})
	}
	ran(t, e)
}

// perRound is how many commands a contender runs in a round: some for each that
// run side by side.
func perRound(at int) int { return max(16, 2*at) }

// compare lets the contenders run in turn, so that what slows the machine down for
// a while slows all of them. It returns what the last does, over the one before.
func compare(t *testing.T, at int, all []contender) float64 {
	t.Helper()
	times := make([][]time.Duration, len(all))
	for round := range *rounds + 1 { // the first fills caches and is not counted
		for i, c := range all {
			began := time.Now()
			if err := together(t, at, perRound(at), c); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if round > 0 {
				times[i] = append(times[i], time.Since(began))
			}
		}
	}
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(out, "%d at a time\tcommands/s\tms each\tover the floor\t\n", at)
	rates := make([]float64, len(all))
	for i := range all {
		rates[i] = float64(perRound(at)) / median(times[i]).Seconds()
	}
	under := rates[len(rates)-2]
	for i, c := range all {
		_, _ = fmt.Fprintf(out, "%s\t%.0f\t%.2f\t%.2f\t\n", c.name, rates[i], 1000*float64(at)/rates[i], rates[i]/under)
	}
	_ = out.Flush()
	return rates[len(rates)-1] / under
}

// together runs n commands, so many at a time.
func together(t *testing.T, at, n int, c contender) error {
	t.Helper()
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	faults := make(chan error, at)
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			for range work {
				if err := c.once(t); err != nil {
					faults <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(faults)
	var joined error
	for err := range faults {
		joined = errors.Join(joined, err)
	}
	return joined
}

// tell reports how long it took to the first instruction of the user's process.
func tell(t *testing.T, l latencies) {
	t.Helper()
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(out, "until exec\tp50 ms\tp99 ms\t")
	for _, row := range []struct {
		name  string
		times []time.Duration
	}{{"from the call", l.asked}, {"from the answer that it is accepted", l.accepted}} {
		_, _ = fmt.Fprintf(out, "%s\t%.1f\t%.1f\t\n", row.name, 1000*quantile(row.times, 50).Seconds(), 1000*quantile(row.times, 99).Seconds())
	}
	_ = out.Flush()
}

func median(times []time.Duration) time.Duration { return quantile(times, 50) }

// quantile is the least time that so many of a hundred do not exceed.
func quantile(times []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// ran looks that every command that was measured was run, and that its outcome is
// on the disk.
func ran(t *testing.T, e *executor) {
	t.Helper()
	exits, err := filepath.Glob(filepath.Join(e.state, "commands", "*", "exit.1"))
	if err != nil || uint64(len(exits)) != e.next.Load() {
		t.Errorf("%d of %d commands have an outcome on the disk: %v", len(exits), e.next.Load(), err)
	}
}

// TestTheFloorMakesAsMuchDurableAsACommandDoes counts the fsyncs of both.
func TestTheFloorMakesAsMuchDurableAsACommandDoes(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not run: it needs strace to count fsyncs (Debian: strace)")
	}
	const commands = 5
	trace := filepath.Join(t.TempDir(), "trace")
	e := startExecutor(t, strace, "-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync,sync_file_range,syncfs")
	before := count(t, trace)
	for range commands {
		if err := e.once(t); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, trace) - before; got != commands*syncsOfOne {
		t.Errorf("a command syncs %.1f times, the floor %d times: count again", float64(got)/commands, syncsOfOne)
	}
	wrapper := program(t, "internal/benchhost/wrapper", "wrapper")
	inWrapper := filepath.Join(t.TempDir(), "trace")
	if err := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", inWrapper, "-e", "trace=fsync", wrapper, t.TempDir()).Run(); err != nil {
		t.Fatal(err)
	}
	const around = 4 // commands/, the spec, its name, and the confirmation: floorOnce
	if got := count(t, inWrapper); got != syncsOfOne-around {
		t.Errorf("the wrapper syncs %d times, want %d", got, syncsOfOne-around)
	}
}

// count is how many calls are in a trace so far.
func count(t *testing.T, trace string) (n int) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "sync(") { // a call that is interrupted is resumed in another line
			n++
		}
	}
	return n
}
