package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// sweepUntilKilled writes the number of its epoch, and then a line for every
// step. It removes all that is done, three rows at a time.
func sweepUntilKilled(ctx context.Context, path string, out io.Writer) error {
	s, err := Open(ctx, at(path))
	if err != nil {
		return err
	}
	epoch, err := s.Claim(ctx, store.HostTable(), "helper")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, epoch.N); err != nil {
		return err
	}
	sw := store.Sweep{Epoch: epoch, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Age: time.Hour, IDs: time.Hour, Limit: 3}
	for step := 1; ; step++ {
		done, err := s.Sweep(ctx, sw)
		if err != nil {
			return err
		}
		sw.From = done.Next
		if _, err := fmt.Fprintln(out, step); err != nil {
			return err
		}
	}
}

func TestAJanitorThatIsKilledLeavesEveryJobWholeOrGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	o := claim(t, s)
	const jobs, rows = 24, 30
	for i := range jobs {
		b := finished(i, rows, 24<<10)
		if i%4 == 3 {
			b.Persist.Row = storetest.Row(job.Running, 1, rows)
		}
		o.commit(t, b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := jobs
	for round := range 6 {
		victim := startHelperAs(t, path, 0, sweepShard)
		victim.waitFor(t, 3+7*round)
		victim.kill(t)

		s := open(t, path)
		there := countWhole(t, s, jobs, rows)
		if there > before || there < jobs/4 {
			t.Fatalf("round %d: %d jobs are there, %d were before, %d are live", round, there, before, jobs/4)
		}
		before = there
		checkIntegrity(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if before == jobs {
		t.Error("the janitor was killed before it had removed anything")
	}
	s = open(t, path)
	sweepAll(t, s, sweeps(t, s, 100), func(store.Swept) {})
	if left := countWhole(t, s, jobs, rows); left != jobs/4 {
		t.Errorf("%d jobs are left after a whole pass, %d are live", left, jobs/4)
	}
	if tasks := text(t, s, "SELECT count(*) FROM tasks")[0]; tasks != fmt.Sprint(jobs/4*rows) {
		t.Errorf("%s tasks are left, want those of %d live jobs", tasks, jobs/4)
	}
}

// countWhole counts the jobs that are there, whole; the others must be gone.
func countWhole(t *testing.T, s *Store, jobs, rows int) (there int) {
	t.Helper()
	for i := range jobs {
		rec, err := s.LoadJob(t.Context(), storetest.ID(i))
		switch {
		case errors.Is(err, store.ErrPurged) && i%4 != 3:
		case err != nil:
			t.Errorf("job %d: %v", i, err)
		case len(rec.Tasks) != rows || len(rec.Released) != rows:
			t.Errorf("job %d has %d tasks and %d releases, want it whole", i, len(rec.Tasks), len(rec.Released))
		default:
			there++
		}
	}
	return there
}

func TestAProcessThatTakesOverFencesTheJanitorBeforeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	first := startHelperAs(t, path, 0, sweepShard)
	first.waitFor(t, 2)
	second := startHelperAs(t, path, 0, sweepShard)
	second.waitFor(t, 2)
	for first.lines.Scan() { // it was fenced, and ends by itself
		first.acked++
	}
	if err := first.cmd.Wait(); err == nil || !strings.Contains(first.said.String(), store.ErrFenced.Error()) {
		t.Errorf("the first janitor ended with %v and said %q, want it fenced", err, &first.said)
	}
	second.kill(t)
}
