package postgres

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// Several shards of a process write in one transaction; what PostgreSQL refuses
// of one must not cost the others their batch.
func TestABatchThatPostgreSQLRefusesFallsOutAlone(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	var batches []store.Batch
	for n := range 5 {
		shard := job.ShardID{Pool: "standard", N: uint16(n)}
		epoch, err := s.Claim(t.Context(), shard, "s1")
		if err != nil {
			t.Fatal(err)
		}
		b := store.Batch{Shard: shard, Epoch: epoch, Number: 1, Jobs: []store.JobBatch{aJob(n + 1)}}
		if n == 1 || n == 3 {
			b.Jobs[0].Create.Spec.Submitter = "a \x00 name"
		}
		batches = append(batches, b)
	}
	results, err := s.Commit(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range results {
		_, err := s.GetJob(t.Context(), storetest.ID(n+1))
		if bad := n == 1 || n == 3; bad != errors.Is(r.Err, store.ErrBatch) || bad != errors.Is(err, store.ErrNotFound) {
			t.Errorf("batch %d: %v, and its job: %v", n, r.Err, err)
		}
	}
	batches[1].Jobs = []store.JobBatch{aJob(2)} // the number is free
	mustCommit(t, s, batches[1])
}

// Two processes accept the same jobs, in opposite orders.
func TestTwoWhoAcceptTheSameJobsAtOnceDoNotWaitForEachOtherForEver(t *testing.T) {
	dsn := shared.DSN(t)
	const n = 60
	var taken, made sync.Map
	var all sync.WaitGroup
	for who := range 3 {
		s := openAt(t, dsn)
		all.Go(func() {
			pool := fmt.Sprintf("pool-%d", who)
			shard := job.ShardID{Pool: pool}
			epoch, err := s.Claim(t.Context(), shard, pool)
			if err != nil {
				t.Error(err)
				return
			}
			for round := range n / 10 {
				var jobs []store.JobBatch
				for i := range 10 {
					k := round*10 + i + 1
					if who%2 == 1 {
						k = round*10 + 10 - i
					}
					jobs = append(jobs, storetest.NewJob(storetest.ID(k), pool, 1))
				}
				results, err := s.Commit(t.Context(), []store.Batch{{Shard: shard, Epoch: epoch, Number: uint64(round + 1), Jobs: jobs}})
				if err != nil || results[0].Err != nil {
					t.Errorf("%s: %+v, %v", pool, results, err)
					return
				}
				existing := map[job.ID]bool{}
				for _, e := range results[0].Existing {
					existing[e.ID] = true
					taken.Store(fmt.Sprint(who, e.ID), true)
				}
				for _, j := range jobs {
					if !existing[j.ID] {
						if other, twice := made.LoadOrStore(j.ID, who); twice {
							t.Errorf("job %s was made by %d and by %v", j.ID, who, other)
						}
					}
				}
			}
		})
	}
	all.Wait()
	for k := 1; k <= n; k++ {
		if _, ok := made.Load(storetest.ID(k)); !ok {
			t.Errorf("job %d was made by nobody", k)
		}
	}
}

func TestRowsThatAreWrittenTwiceInACommitAreTheLast(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	epoch := claim(t, s, "s1")
	first := aJob(1)
	first.Persist.Released = []uint32{0}
	first.Persist.Tasks = []job.TaskRow{storetest.Again(1, 1), storetest.Outcome(1, task.Failed, 1)}
	first.Persist.Controls = []job.ControlRow{{RequestID: "r", ControlRevision: 1}}
	first.Outputs = []store.Output{{Digest: [32]byte{1}, Content: []byte("x")}}
	second := store.JobBatch{ID: first.ID, Outputs: first.Outputs, Persist: job.Persist{
		Row: storetest.Row(job.Paused, 2, 3), Released: []uint32{1}, Tasks: []job.TaskRow{storetest.Outcome(1, task.Succeeded, 2)},
		Controls: []job.ControlRow{{RequestID: "r", ControlRevision: 2}},
	}}
	third := store.JobBatch{ID: first.ID, Persist: job.Persist{Row: storetest.Row(job.Done, 3, 3)}}
	results, err := s.Commit(t.Context(), []store.Batch{aBatch(epoch, 3, third), aBatch(epoch, 1, first), aBatch(epoch, 2, second)})
	if err != nil || results[0].Err != nil || results[1].Err != nil || results[2].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	got, err := s.LoadJob(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Row.State != job.Done || fmt.Sprint(got.Released) != "[0 1]" || len(got.Tasks) != 1 || got.Tasks[0].Report.State != task.Succeeded ||
		len(got.Controls) != 1 || got.Controls[0].ControlRevision != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAHostThatIsTwiceInACommitIsTheLastAndEachCounts(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	epoch, err := s.Claim(t.Context(), store.HostTable(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	of := func(number uint64, hosts ...fleet.Host) store.Batch {
		return store.Batch{Shard: store.HostTable(), Epoch: epoch, Number: number, Hosts: hosts}
	}
	a, b := fleet.Host{ID: "a", Room: "old"}, fleet.Host{ID: "b"}
	moved := fleet.Host{ID: "a", Room: "new"}
	results, err := s.Commit(t.Context(), []store.Batch{of(2, moved), of(1, a, b, a)})
	if err != nil || results[0].HostRevision != 4 || results[1].HostRevision != 3 {
		t.Fatalf("%+v, %v, want revisions 4 and 3", results, err)
	}
	var got []string
	for h, err := range s.Hosts(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(h.ID, h.Room, h.Revision))
	}
	if fmt.Sprint(got) != "[b2 anew4]" && fmt.Sprint(got) != "[b 2 a new 4]" {
		t.Errorf("the table is %q, want b at 2 and the new a at 4", got)
	}
}
