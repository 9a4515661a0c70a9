package storetest

import (
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func listing() []test {
	return []test{
		{"jobs come newest first, page by page, each once", func(r *rig) {
			r.manyJobs(25)
			for _, limit := range []int{1, 7, 25, 100} {
				got := r.pages(store.JobQuery{Limit: limit}, limit)
				var want []job.ID
				for n := 25; n >= 1; n-- {
					want = append(want, id(n))
				}
				r.same(fmt.Sprintf("pages of %d", limit), got, want)
			}
		}},
		{"filters combine, and hold on every page", func(r *rig) {
			r.manyJobs(25) // every third is done, every second is bob's
			for _, query := range []store.JobQuery{
				{State: job.Done},
				{State: job.Running},
				{State: job.Paused},
				{Submitter: "bob"},
				{Submitter: "nobody"},
				{Submitter: "bob", State: job.Done},
			} {
				var want []job.ID
				for n := 25; n >= 1; n-- {
					done, bob := n%3 == 0, n%2 == 0
					stateFits := query.State == 0 || query.State == job.Done && done || query.State == job.Running && !done
					if stateFits && (query.Submitter == "" || query.Submitter == "bob" && bob) {
						want = append(want, id(n))
					}
				}
				query.Limit = 2
				r.same(fmt.Sprintf("%+v", query), r.pages(query, 2), want)
			}
		}},
		{"jobs of which a task is UNKNOWN are found, and found no more when its truth has come", func(r *rig) {
			o := r.manyJobs(9) // 3, 6 and 9 are done
			for _, n := range []int{2, 3, 6, 7} {
				o.commit(store.JobBatch{ID: id(n), Persist: job.Persist{Row: Row(job.Done, 3, 1), Tasks: []job.TaskRow{Outcome(0, task.Unknown, 3)}}})
			}
			o.commit(store.JobBatch{ID: id(6), Persist: job.Persist{Row: Row(job.Done, 4, 1), Tasks: []job.TaskRow{Outcome(0, task.Succeeded, 4)}}})
			query := store.JobQuery{State: job.Done, Unknown: true, Limit: 1}
			r.same("those that are UNKNOWN", r.pages(query, 1), []job.ID{id(7), id(3), id(2)})
			query.Submitter = "bob"
			r.same("and bob's", r.pages(query, 1), []job.ID{id(2)})
			_, next, err := r.ListJobs(r.Context(), store.JobQuery{State: job.Done, Unknown: true, Limit: 1})
			if err != nil || next == "" {
				r.Fatalf("next %q, %v", next, err)
			}
			if _, _, err := r.ListJobs(r.Context(), store.JobQuery{State: job.Done, Token: next}); !errors.Is(err, store.ErrPageToken) {
				r.Errorf("its token with another list: %v, want ErrPageToken", err)
			}
		}},
		{"jobs that are accepted meanwhile do not shift the pages", func(r *rig) {
			o := r.manyJobs(4)
			first, next, err := r.ListJobs(r.Context(), store.JobQuery{Limit: 2})
			if err != nil || len(first) != 2 {
				r.Fatalf("%d jobs, %v", len(first), err)
			}
			o.commit(r.newJob(id(99), "standard", 1))
			second, next, err := r.ListJobs(r.Context(), store.JobQuery{Limit: 2, Token: next})
			if err != nil || len(second) != 2 || second[0].ID != id(2) || next != "" {
				r.Errorf("second page %+v, next %q, %v, want jobs 2 and 1 and no more", second, next, err)
			}
		}},
		{"a token of another list, or a damaged one, is refused", func(r *rig) {
			r.manyJobs(4)
			_, next, err := r.ListJobs(r.Context(), store.JobQuery{Limit: 1, Submitter: "bob"})
			if err != nil || next == "" {
				r.Fatalf("next %q, %v", next, err)
			}
			for what, query := range map[string]store.JobQuery{
				"other submitter": {Token: next, Submitter: "ann"},
				"no filter":       {Token: next},
				"other state":     {Token: next, Submitter: "bob", State: job.Done},
				"damaged":         {Token: next[:len(next)-2], Submitter: "bob"},
				"rubbish":         {Token: "rubbish"},
				"of another kind": {Token: store.PageToken("hosts", "1")},
			} {
				if _, _, err := r.ListJobs(r.Context(), query); !errors.Is(err, store.ErrPageToken) {
					r.Errorf("%s: %v, want ErrPageToken", what, err)
				}
			}
			if _, _, err := r.ListJobs(r.Context(), store.JobQuery{Token: next, Submitter: "bob", Limit: 9}); err != nil {
				r.Errorf("another page size: %v, want it taken", err)
			}
		}},
	}
}

// manyJobs accepts jobs 1..n; every third is done, every second is bob's.
func (r *rig) manyJobs(n int) *owner {
	r.Helper()
	o := r.claim(shard(), "s1")
	for i := 1; i <= n; i++ {
		b := r.newJob(id(i), "standard", 1)
		if i%2 == 0 {
			b.Create.Spec.Submitter = "bob"
		}
		o.commit(b)
		if i%3 == 0 {
			o.commit(store.JobBatch{ID: id(i), Persist: job.Persist{Row: Row(job.Done, 2, 1)}})
		}
	}
	return o
}

// pages reads all pages of a list; full pages have limit jobs.
func (r *rig) pages(query store.JobQuery, limit int) (ids []job.ID) {
	r.Helper()
	for range 1000 {
		jobs, next, err := r.ListJobs(r.Context(), query)
		if err != nil {
			r.Fatal(err)
		}
		for _, j := range jobs {
			ids = append(ids, j.ID)
		}
		if next == "" {
			return ids
		}
		if len(jobs) != limit {
			r.Fatalf("a page of %d jobs before the last, want %d", len(jobs), limit)
		}
		query.Token = next
	}
	r.Fatal("the pages have no end")
	return nil
}
