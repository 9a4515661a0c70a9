package shard

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// TestAShardThatIsFullRefusesAJobAndKeepsThoseThatItHas fills a shard with as
// many live jobs as it may hold.
func TestAShardThatIsFullRefusesAJobAndKeepsThoseThatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		pattern := jobOf(t, 0, 1, "")
		of := func(n int) Submission {
			sub := pattern
			id := job.NewID(time.Now(), [10]byte{9: byte(n), 8: byte(n >> 8), 7: byte(n >> 16)})
			sub.Create.Spec.ID, sub.Create.Digest = id, sha256.Sum256(id[:])
			return sub
		}
		ids := make([]job.ID, maxLive)
		for n := range ids {
			ids[n] = r.accept(of(n))
		}
		if _, err := r.Accept(t.Context(), of(maxLive)); !errors.Is(err, ErrFull) {
			t.Errorf("one more job: %v", err)
		}
		if again, err := r.Accept(t.Context(), of(7)); err != nil || !again.Existed {
			t.Errorf("a job that it has, again: %v, %v", again.Existed, err)
		}
		r.say(ids[3], 0, task.Succeeded)
		if _, err := r.Accept(t.Context(), of(maxLive)); err != nil {
			t.Errorf("with room again: %v", err)
		}
		for _, id := range []job.ID{ids[0], ids[maxLive-1]} {
			if row := r.row(id); row.State != job.Running {
				t.Errorf("a job that was there before is %v", row.State)
			}
		}
		r.say(ids[0], 0, task.Failed)
		if row := r.row(ids[0]); row.State != job.Done || row.Counts.Of(task.Failed) != 1 {
			t.Errorf("its outcome is not taken: %+v", row)
		}
	})
}

// heldWrites is a store of which every write waits until it is let go.
type heldWrites struct {
	Committer
	gate chan struct{}
}

func (h heldWrites) Commit(ctx context.Context, b store.Batch) (store.Result, error) {
	<-h.gate
	return h.Committer.Commit(ctx, b)
}

// TestWhoBringsMoreThanAShardTakesWaitsAndNothingIsLost fills the queue of a shard
// whose store does not answer.
func TestWhoBringsMoreThanAShardTakesWaitsAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		const hosts = 100
		id := r.accept(jobOf(t, 1, hosts, ""))
		gate := make(chan struct{})
		r.deps.Commit = heldWrites{r.deps.Commit, gate}
		const all = roundEvents + 2*queueLen // more than a round and the queue together
		var bringing sync.WaitGroup
		said := make(chan struct{}, all)
		for n := range all {
			bringing.Go(func() {
				err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{r.report(id, n%hosts, task.Succeeded)}})
				if err != nil {
					t.Errorf("report %d: %v", n, err)
				}
				said <- struct{}{}
			})
		}
		synctest.Wait()
		// One round is being written, and at most what a round may take with it.
		if n, queued := len(said), len(r.now.Load().in); queued != queueLen || n > roundEvents+queueLen || n == all {
			t.Errorf("%d of %d were taken and %d wait in the queue, which holds %d", n, all, queued, queueLen)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Reports(impatient, Heard{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who does not want to wait any longer: %v", err)
		}
		close(gate)
		bringing.Wait()
		synctest.Wait()
		if row := r.row(id); row.Counts.Of(task.Succeeded) != hosts {
			t.Errorf("%d of %d outcomes are there", row.Counts.Of(task.Succeeded), hosts)
		}
	})
}

func TestWhatIsRememberedOfJobsThatAreGoneIsBounded(t *testing.T) {
	gone := newRecent(maxPurged)
	id := func(n int) job.ID { return job.NewID(time.UnixMilli(int64(n)+1), [10]byte{}) }
	const all = 3 * maxPurged
	for n := range all {
		gone.add(id(n))
		if held := len(gone.young) + len(gone.old); held > maxPurged {
			t.Fatalf("after %d jobs %d are remembered", n+1, held)
		}
	}
	for n := all - maxPurged/2; n < all; n++ {
		if !gone.has(id(n)) {
			t.Fatalf("number %d of %d is forgotten", n, all)
		}
	}
	if gone.has(id(0)) || !gone.had(id(0)) {
		t.Error("the first is still there, or it is not known that some were forgotten")
	}
}
