package postgres

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// oldDays makes a job that is done on each of n days, long ago.
func oldDays(t *testing.T, s *Store, n int) (days []day) {
	t.Helper()
	epoch := claim(t, s, "s1")
	for i := range n {
		at := time.Date(2025, 6, 1+i, 12, 0, 0, 0, time.UTC)
		mustCommit(t, s, aBatch(epoch, uint64(i+1), finished(jobAt(at, byte(i)), 20, 40)))
		days = append(days, dayOf(at))
	}
	return days
}

func (s *Store) has(t *testing.T, d day) bool {
	t.Helper()
	there := 0
	for _, table := range partitioned() {
		if slices.Contains(partitionsOf(t, s, table), d.name(table)) {
			there++
		}
	}
	if there != 0 && there != len(partitioned()) {
		t.Errorf("%s has %d of its partitions", d.suffix(), there)
	}
	return there > 0
}

func TestADayGoesWhenNoJobIsLeftOfIt(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	days := oldDays(t, s, 2)
	kept := dayOf(time.Now())
	if err := s.dropEmptyDay(t.Context(), &store.Sweep{Epoch: sweeps(t, s, 1).Epoch, Now: time.Now()}); err != nil || !s.has(t, days[0]) || !s.has(t, days[1]) {
		t.Errorf("%v, and there are %v and %v: want the days of jobs kept", err, s.has(t, days[0]), s.has(t, days[1]))
	}
	sw := sweeps(t, s, 1000)
	sweepAll(t, s, sw, nothing)
	if s.has(t, days[0]) || !s.has(t, days[1]) {
		t.Error("want one day dropped in a pass, the oldest")
	}
	sweepAll(t, s, sw, nothing)
	sweepAll(t, s, sw, nothing)
	if s.has(t, days[1]) || !s.has(t, kept) || !s.has(t, kept+1) {
		t.Error("want both days dropped, and those of now kept")
	}
	if n := count(t, s, "SELECT count(*) FROM erased"); n != 0 {
		t.Errorf("%d days are noted that are not there", n)
	}
	// A job of that day after all.
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, jobAt(days[0].begin(), 9)))
	if !s.has(t, days[0]) {
		t.Error("the day was not made again")
	}
}

func TestADayThatOthersUseIsDroppedLater(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	days := oldDays(t, s, 1)
	reading := session(t, dsn)
	execOn(t, reading, "BEGIN; SELECT count(*) FROM tasks")
	sw := sweeps(t, s, 1000)
	sweepAll(t, s, sw, nothing)
	if !s.has(t, days[0]) {
		t.Error("it was dropped under a reader")
	}
	execOn(t, reading, "COMMIT")
	sweepAll(t, s, sw, nothing)
	if s.has(t, days[0]) {
		t.Error("it was not dropped")
	}
}

func TestWhoHasBeenFencedDropsNothing(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	days := oldDays(t, s, 1)
	old := sweeps(t, s, 1000)
	owner := sweeps(t, s, 1000)
	if err := s.dropEmptyDay(t.Context(), &old); err != nil {
		t.Errorf("no day is empty, and there is an error: %v", err)
	}
	if _, err := s.writers.Exec(t.Context(), "DELETE FROM jobs"); err != nil {
		t.Fatal(err)
	}
	if err := s.dropEmptyDay(t.Context(), &old); !errors.Is(err, store.ErrFenced) || !s.has(t, days[0]) {
		t.Errorf("%v, want ErrFenced", err)
	}
	if err := s.dropEmptyDay(t.Context(), &owner); err != nil || s.has(t, days[0]) {
		t.Errorf("the owner: %v", err)
	}
}

// The files do not shrink when rows go; what counts as held does, and is again
// what files are once the day is dropped.
func TestWhatIsHeldShrinksByAboutWhatGoes(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	held := func() int64 {
		t.Helper()
		bytes, err := s.size.now(t.Context(), s, true)
		if err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	before := held()
	days := oldDays(t, s, 2)
	full := held()
	if added := full - before; added < 2*40*8<<10 {
		t.Fatalf("%d bytes were added, want the outputs at least", added)
	}
	sw := sweeps(t, s, 1000)
	sweepAll(t, s, sw, nothing) // drops one of the days
	after := held()
	if gone := full - after; gone < 2*40*8<<10 || s.has(t, days[0]) || !s.has(t, days[1]) {
		t.Errorf("%d bytes count as gone of %d", gone, full-before)
	}
	sweepAll(t, s, sw, nothing)
	if last := held(); last > before+(512<<10) {
		t.Errorf("%d bytes are held, %d at first", last, before)
	}
}
