package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func TestWhatWasAcknowledgedSurvivesKill9InTheMiddleOfCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	for round := range 4 {
		victim, other := startHelper(t, path, 1), startHelper(t, path, 2)
		victim.waitFor(t, 3+2*round)
		victim.kill(t)
		other.waitFor(t, other.acked+3) // the other process is not disturbed
		other.kill(t)

		s := open(t, path)
		checkSurvivors(t, s, victim)
		checkSurvivors(t, s, other)
		checkIntegrity(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASecondProcessTakesAShardOverFromOneThatIsStillWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	first := startHelper(t, path, 1)
	first.waitFor(t, 2)
	second := startHelper(t, path, 1)
	second.waitFor(t, 2)
	for first.lines.Scan() { // it was fenced, and ends by itself
		first.acked++
	}
	if err := first.cmd.Wait(); err == nil || !strings.Contains(first.said.String(), store.ErrFenced.Error()) {
		t.Errorf("the first process ended with %v and said %q, want it fenced", err, &first.said)
	}
	second.kill(t)
	s := open(t, path)
	checkSurvivors(t, s, first)
	checkSurvivors(t, s, second)
}

// stopInside stops the process (SIGSTOP) within a transaction, which is where it
// is nearly always.
func (h *helper) stopInside(t *testing.T, outside func() bool) {
	t.Helper()
	for {
		h.signal(t, unix.SIGSTOP)
		if !outside() {
			return
		}
		h.signal(t, unix.SIGCONT)
		h.waitFor(t, h.acked+1)
	}
}

func (h *helper) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := h.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// TestWhoIsStoppedInsideATransactionHoldsUpWhoWritesUntilItGoesOnOrIsKilled is
// the limit of SQLite that docs/store.md tells of.
func TestWhoIsStoppedInsideATransactionHoldsUpWhoWritesUntilItGoesOnOrIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	victim := startHelper(t, path, 1)
	s := open(t, path)
	patient := s.writer.busy
	writes := func() error { _, err := s.Claim(t.Context(), job.ShardID{Pool: "standard", N: 2}, "s2"); return err }
	outside := func() bool {
		s.writer.busy = 200 * time.Millisecond
		defer func() { s.writer.busy = patient }()
		err := writes()
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	}
	for _, end := range []func(){
		func() { victim.signal(t, unix.SIGCONT); victim.waitFor(t, victim.acked+2) },
		func() { victim.kill(t) },
	} {
		victim.stopInside(t, outside)
		if _, _, err := s.ListJobs(t.Context(), store.JobQuery{}); err != nil {
			t.Errorf("a reader: %v", err)
		}
		end()
		if err := writes(); err != nil {
			t.Errorf("after its end: %v", err)
		}
	}
	checkSurvivors(t, s, victim)
	checkIntegrity(t, s)
}

// checkSurvivors looks for every job that the helper's process has been told of,
// whole, and for the one that was under way, whole or not at all.
func checkSurvivors(t *testing.T, s *Store, h *helper) {
	t.Helper()
	for number := 1; number <= h.acked+1; number++ {
		want := helperBatch(h.shard, h.epoch, number).Jobs[0]
		applied, err := s.Fate(t.Context(), h.shard, h.epoch, uint64(number))
		if err != nil {
			t.Fatal(err)
		}
		if !applied {
			if number <= h.acked {
				t.Errorf("batch %d of shard %v was acknowledged and is lost", number, h.shard)
			}
			if _, err := s.GetJob(t.Context(), want.ID); err == nil {
				t.Errorf("batch %d of shard %v was not applied, but its job is there", number, h.shard)
			}
			continue
		}
		checkWhole(t, s, want)
	}
}

func checkWhole(t *testing.T, s *Store, want store.JobBatch) {
	t.Helper()
	got, err := s.LoadJob(t.Context(), want.ID)
	if err != nil {
		t.Error(err)
		return
	}
	output, err := s.Output(t.Context(), want.ID, want.Outputs[0].Digest)
	if len(got.Tasks) != helperTasks || len(got.Released) != helperTasks || err != nil || string(output) != string(want.Outputs[0].Content) {
		t.Errorf("job %s is there in part: %d tasks, %d released, output %q, %v", want.ID, len(got.Tasks), len(got.Released), output, err)
	}
}

func checkIntegrity(t *testing.T, s *Store) {
	t.Helper()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		if found := text(t, s, "PRAGMA "+pragma); len(found) > 1 || len(found) == 1 && found[0] != "ok" {
			t.Errorf("%s: %v", pragma, found)
		}
	}
}

// text reads the last column of a query.
func text(t *testing.T, s *Store, query string) (lines []string) {
	t.Helper()
	rows, err := s.readers.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		into := make([]any, len(columns))
		var line string
		for i := range into {
			into[i] = new(any)
		}
		into[len(into)-1] = &line
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
