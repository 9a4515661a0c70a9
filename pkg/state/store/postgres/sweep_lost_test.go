package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/internal/postgresserver"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// every third job of a history is live; all are of one day, and have these rows.
const historyRows = 30

// history makes jobs of which two of three are done.
func history(t *testing.T, s *Store, jobs int) {
	t.Helper()
	epoch := claim(t, s, "s1")
	for i := range jobs {
		b := finished(aJob(i), historyRows, 2)
		if i%3 == 2 {
			b.Persist.Row = storetest.Row(job.Running, 1, historyRows)
		}
		mustCommit(t, s, aBatch(epoch, uint64(i+1), b))
	}
}

// whole counts the jobs of a history that are there. The others must have been
// removed, and none may be there in part.
func whole(t *testing.T, s *Store, jobs int) (there int) {
	t.Helper()
	for i := range jobs {
		rec, err := s.LoadJob(t.Context(), storetest.ID(i))
		switch {
		case errors.Is(err, store.ErrPurged) && i%3 != 2:
		case err != nil:
			t.Errorf("job %d: %v", i, err)
		case len(rec.Tasks) != historyRows || len(rec.Released) != historyRows:
			t.Errorf("job %d has %d tasks and %d releases, want it whole", i, len(rec.Tasks), len(rec.Released))
		default:
			there++
		}
	}
	return there
}

// swept is what a sweep without any fault leaves of a history.
func swept(t *testing.T, jobs int) (erased int64) {
	t.Helper()
	s := openAt(t, shared.DSN(t))
	history(t, s, jobs)
	sweepAll(t, s, sweeps(t, s, 1000), nothing)
	return count(t, s, "SELECT bytes FROM erased")
}

// checkSwept checks that all went that could go, and counted once.
func checkSwept(t *testing.T, s *Store, jobs int, erased int64) {
	t.Helper()
	live := jobs / 3
	if there := whole(t, s, jobs); there != live {
		t.Errorf("%d jobs are left, %d are live", there, live)
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM tasks":                   int64(live * historyRows),
		"SELECT count(*) FROM outputs":                 int64(live * 2),
		"SELECT count(*) FROM removals":                0,
		"SELECT count(*) FROM ids WHERE removed > 0":   int64(jobs - live),
		"SELECT coalesce(sum(bytes), 0) FROM erased":   erased,
		"SELECT count(*) FROM bodies":                  int64(live),
		"SELECT count(*) FROM releases":                int64(live),
		"SELECT count(*) FROM jobs WHERE live IS TRUE": int64(live),
	} {
		if n := count(t, s, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

// A janitor dies at its COMMIT, before the server has heard it and after, again
// and again; the next one claims and begins anew.
func TestAJanitorThatDiesBetweenTwoStepsLosesAndDoublesNothing(t *testing.T) {
	const jobs = 12
	p, s, straight := behind(t)
	history(t, straight, jobs)
	before, steps, deaths := jobs, 0, 0
	fates := []postgresserver.Fate{postgresserver.CutAfter, postgresserver.CutBefore, postgresserver.Pass}
	for over := false; !over; {
		sw := sweeps(t, straight, 20) // the claim of the next janitor
		for {
			p.AtCommit(fates[steps%len(fates)])
			steps++
			done, err := s.Sweep(t.Context(), sw)
			if there := whole(t, straight, jobs); there > before || there < jobs/3 {
				t.Fatalf("after step %d %d jobs are there, %d were before", steps, there, before)
			} else {
				before = there
			}
			if err != nil {
				if !errors.Is(err, store.ErrUnavailable) || done != (store.Swept{}) {
					t.Fatalf("step %d: %+v, %v, want ErrUnavailable and nothing told", steps, done, err)
				}
				deaths++
				break
			}
			if sw.From = done.Next; done.Next == 0 {
				over = true
				break
			}
		}
	}
	if deaths < 8 || deaths != p.Cut() {
		t.Errorf("%d janitors have died of %d cuts", deaths, p.Cut())
	}
	checkSwept(t, straight, jobs, swept(t, jobs))
}

// The network keeps a step back until another janitor has taken over.
func TestAStepThatComesTooLateRemovesNothing(t *testing.T) {
	const jobs = 6
	p, s, straight := behind(t)
	history(t, straight, jobs)
	old := sweeps(t, straight, 20)
	p.AtCommit(postgresserver.HoldBack)
	if _, err := s.Sweep(t.Context(), old); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	next := sweeps(t, straight, 20) // throws it out
	if there := whole(t, straight, jobs); there != jobs {
		t.Errorf("%d of %d jobs are there before anybody has committed", there, jobs)
	}
	p.LetGo()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if there := whole(t, straight, jobs); there != jobs {
		t.Errorf("%d of %d jobs are there: the step of who was fenced counts", there, jobs)
	}
	if _, err := straight.Sweep(t.Context(), old); !errors.Is(err, store.ErrFenced) {
		t.Errorf("who was fenced sweeps: %v", err)
	}
	sweepAll(t, straight, next, nothing)
	checkSwept(t, straight, jobs, swept(t, jobs))
}

// emptied is a day whose last job the next pass removes, and the sweep of it:
// its first COMMIT is that of a step, its second drops the day.
func emptied(t *testing.T, s *Store) (d day, sw store.Sweep) {
	t.Helper()
	return oldDays(t, s, 1)[0], sweeps(t, s, 1000)
}

func TestAJanitorThatDiesWhenItDropsADayLosesNothing(t *testing.T) {
	for name, fate := range map[string]postgresserver.Fate{"before the server hears it": postgresserver.CutBefore, "after": postgresserver.CutAfter} {
		p, s, straight := behind(t)
		d, sw := emptied(t, straight)
		p.AtCommit(postgresserver.Pass, fate)
		if _, err := s.Sweep(t.Context(), sw); !errors.Is(err, store.ErrUnavailable) || p.Cut() != 1 {
			t.Fatalf("%s: %v, want ErrUnavailable", name, err)
		}
		eventually(t, name+": the day is there in part", func() bool { return straight.has(t, d) == (fate == postgresserver.CutBefore) })
		// Whoever was there before does not know; and the day is dropped again.
		mustCommit(t, straight, aBatch(claim(t, straight, "s1"), 1, finished(jobAt(d.begin(), 9), 3, 1)))
		if !straight.has(t, d) {
			t.Errorf("%s: the day was not made again", name)
		}
		for range 2 {
			sweepAll(t, straight, sweeps(t, straight, 1000), nothing)
		}
		if straight.has(t, d) {
			t.Errorf("%s: the day is there", name)
		}
		checkEmpty(t, straight, sweeps(t, straight, 1000))
	}
}

// Who drops a day keeps everybody from tasks for a moment; one that is stopped in
// that moment (SIGSTOP, a cut cable) must not do so for as long as it is stopped.
func TestAJanitorThatIsStoppedWhenItDropsADayHoldsUpNobodyForLong(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var janitor sync.WaitGroup
	janitor.Go(func() {
		err := s.write(t.Context(), func(ctx context.Context, at *tx) error {
			group := begin()
			queueLockTables(group)
			if err := at.send(ctx, group); err != nil {
				t.Error(err)
			}
			close(stopped)
			<-goOn
			return at.commit(ctx, &pgx.Batch{})
		})
		if err == nil {
			t.Error("who was stopped goes on with it")
		}
	})
	<-stopped
	epoch := claim(t, s, "s1")
	began := time.Now()
	mustCommit(t, s, aBatch(epoch, 1, finished(jobAt(time.Now(), 9), 3, 1)))
	if took := time.Since(began); took > 3*dropHeld {
		t.Errorf("a commit has waited %v for it: a take-over has 5 s in all", took)
	}
	close(goOn)
	janitor.Wait()
}

// accepting commits jobs, and tells what came of it.
func accepting(t *testing.T, s *Store, b store.Batch) <-chan error {
	t.Helper()
	answer := make(chan error, 1)
	go func() {
		results, err := s.Commit(t.Context(), []store.Batch{b})
		if err == nil {
			err = results[0].Err
		}
		answer <- err
	}()
	return answer
}

// wholeOf checks that a job of jobAt is there with all that it has.
func wholeOf(t *testing.T, s *Store, b store.JobBatch) {
	t.Helper()
	rec, err := s.LoadJob(t.Context(), b.ID)
	if err != nil || len(rec.Tasks) != 1 {
		t.Errorf("of the job there are %d tasks: %v", len(rec.Tasks), err)
	}
	if got, err := s.Output(t.Context(), b.ID, b.Outputs[0].Digest); err != nil || string(got) != "out" {
		t.Errorf("of its output there is %q: %v", got, err)
	}
}

func TestAJobThatIsAcceptedWhileItsDayIsDroppedFindsItMadeAgain(t *testing.T) {
	p, s, straight := behind(t)
	d, sw := emptied(t, straight)
	p.AtCommit(postgresserver.Pass, postgresserver.HoldBack)
	if _, err := s.Sweep(t.Context(), sw); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	b := jobAt(d.begin().Add(time.Hour), 9)
	answer := accepting(t, straight, aBatch(claim(t, straight, "s1"), 1, b))
	untilWaiting(t, straight) // for the tables
	p.LetGo()
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	wholeOf(t, straight, b)
	if !straight.has(t, d) {
		t.Error("its day is not there")
	}
}

func TestADayOfWhichAJobIsBeingAcceptedIsKept(t *testing.T) {
	p, s, straight := behind(t)
	d, sw := emptied(t, straight)
	b := jobAt(d.begin().Add(time.Hour), 9)
	epoch := claim(t, straight, "s1")
	if err := s.days.ensure(t.Context(), s.writers, time.Now(), []day{d}); err != nil { // it knows the day
		t.Fatal(err)
	}
	p.AtCommit(postgresserver.HoldBack)
	if err := <-accepting(t, s, aBatch(epoch, 1, b)); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	sweepAll(t, straight, sw, nothing)
	p.LetGo()
	if applied, err := straight.Fate(t.Context(), theShard(), epoch, 1); err != nil || !applied {
		t.Fatalf("the acceptance has the fate %v, %v", applied, err)
	}
	wholeOf(t, straight, b)
	for range 2 {
		sweepAll(t, straight, sw, nothing)
	}
	wholeOf(t, straight, b)
	if !straight.has(t, d) {
		t.Error("its day is not there")
	}
}

// Retention of a newer release beside a scheduler that does not know it.
func TestAnOlderReleaseGoesOnBesideTheJanitorOfANewer(t *testing.T) {
	dsn := shared.DSN(t)
	older := openAt(t, dsn)
	days := oldDays(t, older, 1)
	newer, err := openRelease(t, dsn, release(t, addition))
	if err != nil {
		t.Fatal(err)
	}
	sw := sweeps(t, newer, 1000)
	for range 2 {
		sweepAll(t, newer, sw, nothing)
	}
	if older.has(t, days[0]) {
		t.Fatal("the day was not dropped")
	}
	epoch := claim(t, older, "s1")
	if _, err := older.GetJob(t.Context(), jobAt(time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC), 0).ID); !errors.Is(err, store.ErrPurged) {
		t.Errorf("of a job that the newer removed the older says %v", err)
	}
	b := jobAt(days[0].begin(), 9)
	mustCommit(t, older, aBatch(epoch, 1, b)) // into a day that it believes to be there
	wholeOf(t, newer, b)
	// And the older sweeps what the newer has accepted.
	mustCommit(t, newer, aBatch(epoch, 2, finished(aJob(1), 3, 1)))
	old := sweeps(t, older, 1000)
	sweepAll(t, older, old, nothing)
	if _, err := newer.GetJob(t.Context(), storetest.ID(1)); !errors.Is(err, store.ErrPurged) {
		t.Errorf("of a job that the older removed the newer says %v", err)
	}
	// Until a schema comes with which it cannot live: then it removes nothing more.
	mustCommit(t, newer, aBatch(epoch, 3, finished(aJob(2), 3, 1)))
	onDatabase(t, dsn, "UPDATE meta SET min_reader = 99")
	if _, err := older.Sweep(t.Context(), old); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("it sweeps a schema that it does not know: %v", err)
	}
	if n := count(t, older, "SELECT count(*) FROM jobs"); n != 2 {
		t.Errorf("%d jobs are left, want both", n)
	}
}
