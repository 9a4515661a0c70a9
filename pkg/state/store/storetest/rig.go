package storetest

import (
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// rig is a store under test and the verbs of the tests.
type rig struct {
	*testing.T
	store.Store
	open func() store.Store
}

// The times of the tests, with nanoseconds that must survive.
var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	later = noon.Add(24 * time.Hour)
)

// shard is the shard that most tests use.
func shard() job.ShardID { return job.ShardID{Pool: "standard", N: 7} }

// The fixtures, for the tests here.
func id(n int) job.ID { return ID(n) }

func (r *rig) newJob(id job.ID, pool string, n int) store.JobBatch { return NewJob(id, pool, n) }

// owner is one owner of one shard: it numbers its batches.
type owner struct {
	rig   *rig
	shard job.ShardID
	epoch job.Epoch
	last  uint64
}

func (r *rig) claim(shard job.ShardID, name string) *owner {
	r.Helper()
	epoch, err := r.Claim(r.Context(), shard, name)
	if err != nil {
		r.Fatal(err)
	}
	return &owner{rig: r, shard: shard, epoch: epoch}
}

// batch is the owner's next batch.
func (o *owner) batch(jobs ...store.JobBatch) store.Batch {
	o.last++
	return store.Batch{Shard: o.shard, Epoch: o.epoch, Number: o.last, Jobs: jobs}
}

// commit commits one batch that must be applied.
func (o *owner) commit(jobs ...store.JobBatch) store.Result {
	o.rig.Helper()
	result := o.rig.commit(o.batch(jobs...))[0]
	if result.Err != nil {
		o.rig.Fatal(result.Err)
	}
	return result
}

func (r *rig) commit(batches ...store.Batch) []store.Result {
	r.Helper()
	results, err := r.Commit(r.Context(), batches)
	if err != nil {
		r.Fatal(err)
	}
	if len(results) != len(batches) {
		r.Fatalf("%d results for %d batches", len(results), len(batches))
	}
	return results
}

// all collects a sequence that must not fail.
func all[T any](r *rig, seq iter.Seq2[T, error]) (list []T) {
	r.Helper()
	for v, err := range seq {
		if err != nil {
			r.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

// same fails unless got is what was wanted, deeply.
func (r *rig) same(what string, got, want any) {
	r.Helper()
	if !reflect.DeepEqual(got, want) {
		r.Errorf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}
