package commit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
)

// slow is a store whose commits take their time.
type slow struct {
	*memory.Store
	mu     sync.Mutex
	groups []int // sizes
	down   bool
}

func (s *slow) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	s.mu.Lock()
	s.groups = append(s.groups, len(batches))
	down := s.down
	s.mu.Unlock()
	<-time.After(10 * time.Millisecond)
	if down {
		return nil, fmt.Errorf("cannot commit: %w", store.ErrUnavailable)
	}
	return s.Store.Commit(ctx, batches)
}

func shard(n int) job.ShardID { return job.ShardID{Pool: "standard", N: uint16(n)} }

// start runs a writer on a store until the test ends, or until it is stopped.
func start(t *testing.T, s commit.Store) (w *commit.Writer, stop func()) {
	t.Helper()
	return startTelling(t, s, obs.Telemetry{})
}

func startTelling(t *testing.T, s commit.Store, told obs.Telemetry) (w *commit.Writer, stop func()) {
	t.Helper()
	w = commit.New(s, slog.New(slog.DiscardHandler), told)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("the writer ended with %v", err)
		}
	})
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return w, stop
}

func TestWhatWaitsTogetherIsWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		w, _ := start(t, s)
		var all sync.WaitGroup
		for n := range 20 {
			epoch, err := s.Claim(t.Context(), shard(n), "s1")
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				for number := range uint64(3) {
					if _, err := w.Commit(t.Context(), store.Batch{Shard: shard(n), Epoch: epoch, Number: number + 1}); err != nil {
						t.Errorf("shard %d: %v", n, err)
					}
				}
			})
		}
		all.Wait()
		if len(s.groups) > 8 {
			t.Errorf("60 batches took %d commits: %v", len(s.groups), s.groups)
		}
	})
}

func TestAFencedShardFallsOutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		w, _ := start(t, s)
		var epochs []job.Epoch
		for n := range 3 {
			epoch, err := s.Claim(t.Context(), shard(n), "s1")
			if err != nil {
				t.Fatal(err)
			}
			epochs = append(epochs, epoch)
		}
		if _, err := s.Claim(t.Context(), shard(1), "s2"); err != nil {
			t.Fatal(err)
		}
		errs := make([]error, 3)
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() { _, errs[n] = w.Commit(t.Context(), store.Batch{Shard: shard(n), Epoch: epochs[n], Number: 1}) })
		}
		all.Wait()
		if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], store.ErrFenced) {
			t.Errorf("the shards were told %v", errs)
		}
	})
}

func TestTheFateOfALostReplyIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		w, _ := start(t, s)
		epoch, err := s.Claim(t.Context(), shard(0), "s1")
		if err != nil {
			t.Fatal(err)
		}
		for i, failure := range []memory.Failure{memory.BeforeApply, memory.AfterApply} {
			s.FailNext(failure)
			s.FailNext(failure)
			result, err := w.Commit(t.Context(), store.Batch{Shard: shard(0), Epoch: epoch, Number: uint64(i) + 1})
			if err != nil || result.Again != (failure == memory.AfterApply) {
				t.Errorf("failure %d: %+v, %v", failure, result, err)
			}
		}
	})
}

func TestAWriterThatEndsSaysThatItDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), down: true}
		w, stop := start(t, s)
		waiting := make(chan error, 1)
		go func() {
			_, err := w.Commit(t.Context(), store.Batch{Shard: shard(0), Number: 1})
			waiting <- err
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(s.groups); n < 30 || n > 100 {
			t.Errorf("it was tried %d times in a minute", n)
		}
		stop()
		if err := <-waiting; !errors.Is(err, commit.ErrEnded) {
			t.Errorf("the batch under way: %v", err)
		}
		if _, err := w.Commit(t.Context(), store.Batch{}); !errors.Is(err, commit.ErrEnded) {
			t.Errorf("a batch after the end: %v", err)
		}
	})
}

// TestAGroupIsBoundedInBytesAndNothingIsLeftOut has more waiting than one
// transaction takes.
func TestAGroupIsBoundedInBytesAndNothingIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New()}
		w, _ := start(t, s)
		const shards, each = 10, 16 << 20
		var all sync.WaitGroup
		for n := range shards {
			epoch, err := s.Claim(t.Context(), shard(n), "s1")
			if err != nil {
				t.Fatal(err)
			}
			outputs := []store.Output{{Digest: [32]byte{byte(n)}, Content: make([]byte, each)}}
			all.Go(func() {
				_, err := w.Commit(t.Context(), store.Batch{Shard: shard(n), Epoch: epoch, Number: 1, Jobs: []store.JobBatch{{Outputs: outputs}}})
				if !errors.Is(err, store.ErrBatch) { // there is no such job: its fate is known
					t.Errorf("shard %d: %v", n, err)
				}
			})
		}
		all.Wait()
		written := 0
		for _, size := range s.groups {
			written += size
			if size*each > commit.MaxGroupBytes {
				t.Errorf("a group has %d batches of 16 MiB, and at most %d bytes go together", size, commit.MaxGroupBytes)
			}
		}
		if written != shards || len(s.groups) < 3 {
			t.Errorf("groups of %v were written, want all of %d", s.groups, shards)
		}
	})
}
