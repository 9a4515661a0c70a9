package storetest

import (
	"errors"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// OneDamagedJob proves that a job that cannot be decoded is in nobody's way.
// The store is new; damage makes one of its jobs undecodable.
func OneDamagedJob(t *testing.T, s store.Store, damage func(job.ID)) {
	r := &rig{T: t, Store: s}
	o := r.claim(shard(), "s1")
	for n := 1; n <= 5; n++ {
		o.commit(r.newJob(id(n), "standard", 2))
	}
	damage(id(2))
	damage(id(5))

	var loaded, set []job.ID
	for record, err := range s.LoadShard(t.Context(), shard()) {
		if err == nil {
			loaded = append(loaded, record.ID)
			continue
		}
		set = append(set, record.ID)
		if !errors.Is(err, store.ErrDamaged) || record.Shard != shard() {
			t.Errorf("job %s in shard %s: %v, want ErrDamaged", record.ID, record.Shard, err)
		}
	}
	r.same("loaded", loaded, []job.ID{id(1), id(3), id(4)})
	r.same("set aside", set, []job.ID{id(2), id(5)})

	var listed, left []job.ID
	for query := (store.JobQuery{Limit: 2}); ; {
		page, next, err := s.ListJobs(t.Context(), query)
		if bad, ok := errors.AsType[*store.DamagedError](err); ok {
			left = append(left, bad.Jobs...)
		} else if err != nil {
			t.Fatal(err)
		}
		for _, j := range page {
			listed = append(listed, j.ID)
		}
		if query.Token = next; next == "" {
			break
		}
	}
	r.same("listed", listed, []job.ID{id(4), id(3), id(1)})
	r.same("left out", left, []job.ID{id(5), id(2)})

	if _, err := s.LoadJob(t.Context(), id(2)); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("the job by itself: %v, want ErrDamaged", err)
	}
	if _, err := s.GetJob(t.Context(), id(3)); err != nil {
		t.Errorf("a sound job: %v", err)
	}
}
