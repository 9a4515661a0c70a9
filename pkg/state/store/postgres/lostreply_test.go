package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/internal/postgresserver"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// behind opens a store behind a proxy, and another straight to the same
// database.
func behind(t *testing.T) (p *postgresserver.Proxy, proxied, straight *Store) {
	t.Helper()
	dsn := shared.DSN(t)
	straight = openAt(t, dsn)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = postgresserver.NewProxy(t.Context(), shared.Server(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	proxied = openAt(t, p.DSN(config.Database))
	// The COMMITs that are cut are those of batches.
	if err := proxied.days.ensure(t.Context(), proxied.writers, time.Now(), []day{dayOf(storetest.ID(1).Time())}); err != nil {
		t.Fatal(err)
	}
	return p, proxied, straight
}

// A scheduler does what commit.Writer does: the same batch again until it has
// an answer.
func TestACommitWhoseAnswerIsLostIsAppliedOnce(t *testing.T) {
	p, s, straight := behind(t)
	epoch := claim(t, s, "s1")
	const n = 12
	for i := 1; i <= n; i++ {
		fate := []postgresserver.Fate{postgresserver.CutAfter, postgresserver.CutBefore, postgresserver.Pass}[i%3]
		p.AtCommit(fate)
		b := aBatch(epoch, uint64(i), aJob(i))
		b.Jobs[0].Persist.Tasks = []job.TaskRow{storetest.Outcome(1, task.Succeeded, 1)}
		var again bool
		for try := 1; ; try++ {
			results, err := s.Commit(t.Context(), []store.Batch{b})
			if err == nil {
				if r := results[0]; r.Err != nil || len(r.Existing) != 0 {
					t.Fatalf("batch %d: %+v", i, r)
				}
				again = results[0].Again
				break
			}
			if !errors.Is(err, store.ErrUnavailable) || try == 3 {
				t.Fatalf("batch %d: %v, want ErrUnavailable, and an answer soon", i, err)
			}
			// The answer to this is the answer to the commit.
			applied, err := straight.Fate(t.Context(), theShard(), epoch, uint64(i))
			if err != nil || applied != (fate == postgresserver.CutAfter) {
				t.Fatalf("batch %d: fate %v, %v, and it was cut %v", i, applied, err, fate)
			}
		}
		if again != (fate == postgresserver.CutAfter) {
			t.Errorf("batch %d was there before: %v", i, again)
		}
	}
	if p.Cut() != 8 {
		t.Errorf("%d connections were cut, want 8", p.Cut())
	}
	jobs, _, err := straight.ListJobs(t.Context(), store.JobQuery{})
	if err != nil || len(jobs) != n {
		t.Errorf("%d jobs, %v, want %d", len(jobs), err, n)
	}
}

// The network keeps a COMMIT back and hands it over later. Whatever Fate has
// said must stay true.
func TestFateWaitsForACommitThatIsStillOnItsWay(t *testing.T) {
	p, s, straight := behind(t)
	epoch := claim(t, s, "s1")
	p.AtCommit(postgresserver.HoldBack)
	if _, err := s.Commit(t.Context(), []store.Batch{aBatch(epoch, 1, aJob(1))}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	answer := make(chan bool, 1)
	go func() {
		applied, err := straight.Fate(t.Context(), theShard(), epoch, 1)
		if err != nil {
			t.Error(err)
		}
		answer <- applied
	}()
	untilWaiting(t, straight)
	p.LetGo()
	if applied := <-answer; !applied {
		t.Error("the fate of a batch was told before it was decided")
	}
	if _, err := straight.GetJob(t.Context(), storetest.ID(1)); err != nil {
		t.Error(err)
	}
}

func TestACommitThatComesTooLateIsNotApplied(t *testing.T) {
	p, s, straight := behind(t)
	epoch := claim(t, s, "s1")
	p.AtCommit(postgresserver.HoldBack)
	if _, err := s.Commit(t.Context(), []store.Batch{aBatch(epoch, 1, aJob(1))}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	young := claim(t, straight, "s2") // throws it out
	p.LetGo()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if applied, err := straight.Fate(t.Context(), theShard(), epoch, 1); err != nil || applied {
		t.Errorf("fate %v, %v", applied, err)
	}
	mustCommit(t, straight, aBatch(young, 1, aJob(1)))
}

func TestAServerThatRestartsIsFoundAgain(t *testing.T) {
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{})
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dsn, err := server.CreateDatabase(t.Context(), "ccs")
	if err != nil {
		t.Fatal(err)
	}
	s := openAt(t, dsn)
	epoch := claim(t, s, "s1")
	number := uint64(0)
	for name, end := range map[string]func(){"stopped": server.Stop, "killed": server.Kill} {
		number++
		mustCommit(t, s, aBatch(epoch, number, aJob(int(number))))
		end()
		number++
		b := aBatch(epoch, number, aJob(int(number)))
		if _, err := s.Commit(t.Context(), []store.Batch{b}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: a commit: %v, want ErrUnavailable", name, err)
		}
		if _, err := s.GetJob(t.Context(), storetest.ID(1)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: a read: %v, want ErrUnavailable", name, err)
		}
		if err := server.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+": it is not found again", func() bool {
			results, err := s.Commit(t.Context(), []store.Batch{b})
			return err == nil && results[0].Err == nil
		})
		if jobs, _, err := s.ListJobs(t.Context(), store.JobQuery{}); err != nil || len(jobs) != int(number) {
			t.Errorf("%s: %d jobs, %v, want %d", name, len(jobs), err, number)
		}
	}
}

func TestAServerThatDoesNotAnswerIsNotWaitedForForEver(t *testing.T) {
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{})
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dsn, err := server.CreateDatabase(t.Context(), "ccs")
	if err != nil {
		t.Fatal(err)
	}
	config := at(dsn)
	config.BusyTimeout, config.Readers = time.Second, 1
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.GetJob(t.Context(), storetest.ID(1)); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	held, err := s.readers.Acquire(t.Context()) // the only one
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetJob(t.Context(), storetest.ID(1)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("no connection is free: %v, want ErrUnavailable", err)
	}
	held.Release()
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a frozen server was opened: %v, want ErrUnavailable", err)
	}
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
}
