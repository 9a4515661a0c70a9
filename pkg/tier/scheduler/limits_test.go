package scheduler

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// TestOutputsOfManyRoomsAreFetchedUpToALimitTogether fills what may be fetched
// from all aggregators with outputs of the greatest size.
func TestOutputsOfManyRoomsAreFetchedUpToALimitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFetches()
		const each = maxOutput + leastWeight
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		var releases []func()
		var fetching sync.WaitGroup
		for room := range 20 {
			for range 3 {
				fetching.Go(func() {
					release, err := f.room(ctx, f.of(fleet.Via(fmt.Sprint("agg-", room))), each)
					if err != nil {
						return
					}
					mu.Lock()
					releases = append(releases, release)
					mu.Unlock()
				})
			}
		}
		synctest.Wait()
		if n := len(releases); n != maxFetching/each {
			t.Errorf("%d outputs are fetched at a time, there is room for %d", n, maxFetching/each)
		}
		began := len(releases)
		for n := range 20*3 - began { // as one ends another begins
			mu.Lock()
			release := releases[n]
			mu.Unlock()
			release()
			synctest.Wait()
		}
		fetching.Wait()
		if len(releases) != 60 {
			t.Errorf("%d of 60 were ever fetched", len(releases))
		}
	})
}

func TestCallsThatReadAllOfAJobWaitForOneAnotherAndForNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		o := r.run()
		r.done(o.id)
		summarize := func() error {
			_, err := r.last.api.SummarizeJob(t.Context(), &schedulerv1.SummarizeJobRequest{Caller: caller(), Request: &accessv1.SummarizeJobRequest{JobId: o.id.String()}})
			return err
		}
		var leave []func()
		for range mostReaders {
			_, end, err := r.last.readWhole(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, end)
		}
		began := time.Now()
		if r.job(o.id) == nil || time.Since(began) > 0 {
			t.Error("another call waits for them")
		}
		if err := summarize(); status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 || time.Since(began) != readBudget {
			t.Errorf("after %s one more is told %v", time.Since(began), err)
		}
		for _, end := range leave {
			end()
		}
		if err := summarize(); err != nil {
			t.Errorf("with room again: %v", err)
		}
	})
}

func TestAListThatWasResolvedTooLongAgoIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		old, late := r.order(), r.order()
		time.Sleep(config().ResolutionMaxAge)
		r.submit(old)
		time.Sleep(time.Second)
		if _, err := r.send(r.last, late); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("a second too late: %v", err)
		}
		r.done(old.id)
	})
}

func TestAReportThatNamesMoreThanAnOutputMayHaveIsLeftOutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		s := r.last.Scheduler
		asked := make(chan fleet.Via, 10)
		s.rooms = slowRooms{rooms: s.rooms, asked: asked}
		o := r.run()
		bad, good := large(o.id, "fine", 1), large(o.id, "fine", 2)
		bad.Reports[0].Detail.Outputs[0].Size = maxOutput + 1
		bad.Reports = append(bad.Reports, good.Reports...)
		sink{s}.Reports(t.Context(), bad)
		synctest.Wait()
		if len(asked) != 1 {
			t.Errorf("%d outputs are fetched, want that which is not too large", len(asked))
		}
		time.Sleep(time.Minute) // what was asked for does not exist
	})
}

// TestARetryOfARetryIsFollowedOnlySoFarBack retries a job over and over, of which
// only the very first lives on.
func TestARetryOfARetryIsFollowedOnlySoFarBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		first := r.run()
		r.until("running task", func() bool { return counts(r.job(first.id))["RUNNING"] == 1 })
		r.world.does = func(fleet.HostID, job.ID) outcome { return outcome{state: task.Failed, exit: task.Exit{Code: 1}} }
		ids := []fleet.HostID{hostName(0)}
		parent := first
		for n := range mostAncestors + 1 {
			err := r.last.endedBefore(t.Context(), parent.id, ids)
			if tooFar := n >= mostAncestors; (err == nil) != tooFar {
				t.Fatalf("after %d retries of what lives on: %v", n, err)
			}
			next := r.order()
			next.payload.Parent = parent.id
			next.sign(t)
			r.submit(next)
			r.done(next.id)
			parent = next
		}
	})
}
