package memory_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestTheMemoryStoreIsAJobStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) func() store.Store {
		s := memory.New()
		return func() store.Store { return s }
	})
}

func TestTheMemoryStoreIsAJanitor(t *testing.T) {
	storetest.RunRetention(t, func(*testing.T) func() store.Store {
		s := memory.New()
		return func() store.Store { return s }
	})
}

func TestACommitThatFailsOnDemandIsUnknownUntilItsFateIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		shard := job.ShardID{Pool: "standard", N: 1}
		epoch, err := s.Claim(t.Context(), shard, "s1")
		if err != nil {
			t.Fatal(err)
		}
		s.FailNext(memory.BeforeApply)
		s.FailNext(memory.AfterApply)
		batch := []store.Batch{{Shard: shard, Epoch: epoch, Number: 1}}
		for _, want := range []bool{false, true} {
			if _, err := s.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
			if applied, err := s.Fate(t.Context(), shard, epoch, 1); err != nil || applied != want {
				t.Errorf("applied %v, %v, want %v", applied, err, want)
			}
		}
		results, err := s.Commit(t.Context(), batch)
		if err != nil || !results[0].Again {
			t.Errorf("%+v, %v, want it applied before", results, err)
		}
	})
}

func TestAJobThatCannotBeDecodedIsInNobodysWay(t *testing.T) {
	s := memory.New()
	storetest.OneDamagedJob(t, s, s.Damage)
}
