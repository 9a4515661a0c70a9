// Package benchstore measures how many task results a second the job stores
// make durable, beside the least that the same database needs for the same rows
// in the same minute: only such ratios can be compared, absolute figures drift
// with the machine. `make bench-store` runs it and judges it by the budget; in
// `make test` it runs a few rounds and only looks that what is measured is
// written.
package benchstore

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

var (
	rounds = flag.Int("rounds", 2, "commits of each contender, in turn")
	judge  = flag.Bool("judge", false, "fail if PostgreSQL misses its budget")
)

// least is the budget of PostgreSQL: results that the store makes durable, over
// the bare upsert of the same rows of tasks and jobs. SQLite has none; its figures are told.
const least = 0.6

// shape is what one commit holds.
type shape struct{ jobs, tasks int }

func (s shape) rows() int { return s.jobs * s.tasks }

func (s shape) String() string {
	if s.jobs == 1 {
		return fmt.Sprintf("%d results of one job in a commit", s.tasks)
	}
	return fmt.Sprintf("%d results of each of %d jobs in a commit", s.tasks, s.jobs)
}

// shapes are a job on a room, one on the fleet, and many small ones.
func shapes() []shape { return []shape{{1, 1_000}, {1, 10_000}, {100, 10}} }

// contender is one way to make rows durable. The job ids of each round are new.
type contender struct {
	name string
	// prepare does what is not measured, and returns what is.
	prepare func(tb testing.TB, round int, s shape) (write func() error)
	// count is how many rows there are.
	count func(tb testing.TB) int
}

func TestPostgreSQLMakesResultsDurable(t *testing.T) {
	server := start(t)
	for n, s := range shapes() {
		t.Run(s.String(), func(t *testing.T) {
			dsn, err := server.CreateDatabase(t.Context(), fmt.Sprintf("bench_%d", n))
			if err != nil {
				t.Fatal(err)
			}
			ratio := run(t, s, postgresContenders(t, dsn))
			if *judge && ratio < least {
				t.Errorf("the store makes %.2f of the bare upsert's rows durable, the budget is at least %.1f", ratio, least)
			}
		})
	}
}

func TestSQLiteMakesResultsDurable(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.String(), func(t *testing.T) { run(t, s, sqliteContenders(t)) })
	}
}

func start(t *testing.T) *postgresserver.Server {
	t.Helper()
	if _, err := postgresserver.Find(); err != nil {
		t.Skip(err.Error())
	}
	s, err := postgresserver.Start(t.Context(), postgresserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run lets the contenders write in turn, so that what slows the machine down for
// a while slows all of them. It returns what the last does, over the second.
func run(t *testing.T, s shape, all []contender) float64 {
	t.Helper()
	times := make([][]time.Duration, len(all))
	for round := range *rounds + 1 { // the first fills caches and is not counted
		for i, c := range all {
			write := c.prepare(t, round, s)
			began := time.Now()
			err := write()
			took := time.Since(began)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if round > 0 {
				times[i] = append(times[i], took)
			}
		}
	}
	for _, c := range all {
		if got, want := c.count(t), (*rounds+1)*s.rows(); got != want {
			t.Errorf("%s has written %d rows, want %d", c.name, got, want)
		}
	}
	return report(t, s, all, times)
}

func report(t *testing.T, s shape, all []contender, times [][]time.Duration) float64 {
	t.Helper()
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(out, "%s\trows/s\tms a commit\tover the bare upsert\t\n", s)
	var bare, store float64
	for i, c := range all {
		took := median(times[i])
		rate := float64(s.rows()) / took.Seconds()
		if i == 1 {
			bare = rate
		}
		store = rate
		ratio := "" // the bare COPY comes before
		if i > 0 {
			ratio = fmt.Sprintf("%.2f", rate/bare)
		}
		_, _ = fmt.Fprintf(out, "%s\t%.0f\t%.1f\t%s\t\n", c.name, rate, took.Seconds()*1000, ratio)
	}
	_ = out.Flush()
	return store / bare
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
