package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// stall begins a submission that claims the largest list, and sends none of it.
func (r *rig) stall() (schedulerv1.SchedulerService_SubmitJobClient, error) {
	r.Helper()
	o := r.order()
	o.payload.Count, o.resolution.Count = job.MaxTargets, job.MaxTargets
	envelope, err := capsule.Sign(o.payload, r.key)
	if err != nil {
		r.Fatal(err)
	}
	stream, err := r.last.api.SubmitJob(r.Context())
	if err != nil {
		return nil, err
	}
	return stream, stream.Send(&schedulerv1.SubmitJobRequest{Caller: caller(), Request: &accessv1.SubmitJobRequest{Header: &accessv1.SubmitJobHeader{
		Capsule: wire.EnvelopeToProto(envelope), Rollout: wire.RolloutToProto(o.rollout), Resolution: o.resolution,
	}}})
}

func TestSubmissionsThatStallHoldUpNobodyAndAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		began := time.Now()
		var stalled []schedulerv1.SchedulerService_SubmitJobClient
		for range 8 {
			stream, err := r.stall()
			if err != nil {
				t.Fatal(err)
			}
			stalled = append(stalled, stream)
		}
		synctest.Wait()
		if _, err := r.send(r.last, r.order()); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %s behind submissions that stall: %v", time.Since(began), err)
		}
		for _, stream := range stalled {
			var none schedulerv1.SubmitJobResponse
			if err := stream.RecvMsg(&none); wire.RetryDelay(err) == 0 || time.Since(began) > 31*time.Second {
				t.Errorf("after %s the submission that stalls is told %v, want to come again", time.Since(began), err)
			}
		}
	})
}

func TestAListWaitsForRoomOnlyUntilItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newIntake()
		enter := func(user string, claimed uint64) *coming {
			c, err := in.enter(user, claimed)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		grow := func(c *coming, n int) error {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			return c.grow(ctx, n)
		}
		var lists []*coming
		for _, user := range []string{"ann", "bob", "cyd", "dan"} {
			c := enter(user, job.MaxTargets)
			if err := grow(c, job.MaxTargets); err != nil {
				t.Errorf("%s has no room: %v", user, err)
			}
			lists = append(lists, c)
		}
		late := enter("eve", job.MaxTargets)
		if err := grow(late, 1); !isRetry(err) {
			t.Errorf("a list beyond the room: %v, want that it comes again", err)
		}
		if err := grow(enter("eve", smallList), smallList); err != nil {
			t.Errorf("a small list waits for large ones: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- grow(late, 1) }()
		synctest.Wait()
		lists[0].leave()
		if err := <-done; err != nil {
			t.Errorf("room was made, and still: %v", err)
		}
	})
}

func TestListsThatHaveComeInPartDoNotWaitForOneAnotherForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newIntake()
		const part = job.MaxTargets / 5
		var done [8]chan error
		for i := range done {
			c, err := in.enter(string(rune('a'+i)), job.MaxTargets)
			if err != nil {
				t.Fatal(err)
			}
			done[i] = make(chan error, 1)
			go func() {
				defer c.leave()
				for range 5 {
					if err := c.grow(t.Context(), part); err != nil {
						done[i] <- err
						return
					}
					time.Sleep(time.Second) // as the network needs
				}
				done[i] <- nil
			}()
		}
		for i := range done {
			if err := <-done[i]; err != nil {
				t.Errorf("list %d: %v", i, err)
			}
		}
	})
}

func TestOneUserDoesNotFillTheIntake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newIntake()
		for i := range maxComing {
			c, err := in.enter("ann", job.MaxTargets)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := c.grow(ctx, job.MaxTargets); (err == nil) != (i < 2) {
				t.Errorf("list %d of one user: %v", i, err)
			}
			cancel()
		}
		if _, err := in.enter("ann", 1); !isRetry(err) {
			t.Errorf("list %d of one user: %v, want that it comes again", maxComing, err)
		}
		c, err := in.enter("bob", job.MaxTargets)
		if err == nil {
			err = c.grow(t.Context(), job.MaxTargets)
		}
		if err != nil {
			t.Errorf("another user has no room: %v", err)
		}
	})
}

func isRetry(err error) bool {
	retry, ok := errors.AsType[*wire.RetryAfter](err)
	return ok && retry.After > 0
}
