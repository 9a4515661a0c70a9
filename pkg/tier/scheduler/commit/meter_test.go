package commit_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
)

func TestEveryTryToWriteIsCountedWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, told := memory.New(), obstest.New(t)
		w, _ := startTelling(t, s, told.Telemetry())
		epoch, err := s.Claim(t.Context(), shard(0), "s1")
		if err != nil {
			t.Fatal(err)
		}
		s.FailNext(memory.BeforeApply)
		for number := range uint64(2) {
			if _, err := w.Commit(t.Context(), store.Batch{Shard: shard(0), Epoch: epoch, Number: number + 1}); err != nil {
				t.Fatal(err)
			}
		}
		for result, want := range map[string]int64{"ok": 2, "failed": 1} {
			if got := told.Value(obs.StoreCommits, "result="+result); got != want {
				t.Errorf("%d commits are counted as %s, want %d", got, result, want)
			}
		}
		if n := told.Measured(obs.StoreCommit); n != 3 {
			t.Errorf("%d commits are measured, want 3", n)
		}
	})
}

func TestAStoreThatCannotBeWrittenToIsAFaultUntilItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), down: true}
		w, _ := start(t, s)
		if err := w.Fault(); err != nil {
			t.Errorf("before anything is written: %v", err)
		}
		epoch, err := s.Claim(t.Context(), shard(0), "s1")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := w.Commit(t.Context(), store.Batch{Shard: shard(0), Epoch: epoch, Number: 1})
			done <- err
		}()
		time.Sleep(time.Minute)
		if err := w.Fault(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("while the store is down: %v", err)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		if err := <-done; err != nil || w.Fault() != nil {
			t.Errorf("when it is back: %v, %v", err, w.Fault())
		}
	})
}
