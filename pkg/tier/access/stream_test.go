package access_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// header is a signed job of a class.
func header(tb testing.TB, id job.ID, class string) *accessv1.SubmitJobRequest {
	tb.Helper()
	key, err := identity.NewKey()
	must(tb, err)
	e, err := capsule.Sign(capsule.Payload{
		JobID: id, Class: class, Root: capsule.Hash{1}, Count: 1,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		Command: capsule.Command{Kind: capsule.Ping, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}, key)
	must(tb, err)
	return &accessv1.SubmitJobRequest{Header: &accessv1.SubmitJobHeader{Capsule: wire.EnvelopeToProto(e)}}
}

func rooms(n int) *accessv1.SubmitJobRequest {
	r := &typesv1.RoomTargets{Room: "bj01"}
	for i := range n {
		r.Targets = append(r.Targets, &typesv1.Target{HostId: fmt.Sprintf("h%d", i)})
	}
	return &accessv1.SubmitJobRequest{Rooms: []*typesv1.RoomTargets{r}}
}

func (r *rig) submit(ctx context.Context, messages ...*accessv1.SubmitJobRequest) (*accessv1.SubmitJobResponse, error) {
	stream, err := r.user.SubmitJob(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}

func TestASubmissionGoesToTheOwnerInThePoolOfItsClass(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		std, crit := &scheduler{}, &scheduler{}
		r.scheduler("s1", "standard", std, everyShard()...)
		r.scheduler("c1", "critical", crit, everyShard()...)
		id := idOn(2)
		resp, err := r.submit(t.Context(), header(t, id, "critical"), rooms(1000), rooms(7))
		must(t, err)
		if resp.GetJob().GetId() != jobNamed("", "c1") || crit.targets != 1007 || len(std.calls) != 0 || crit.callers[0] != "ann" {
			t.Errorf("%s took %d targets of %v", resp.GetJob().GetId(), crit.targets, crit.callers)
		}
		_, err = r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id.String()})
		must(t, err)
		if n := crit.count("LocateJob") + std.count("LocateJob"); n != 0 {
			t.Errorf("the pool of a job that was just accepted was asked %d times", n)
		}
	})
}

func TestASubmissionIsRefusedWhereItCannotBeRouted(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{}
		r.scheduler("s1", "standard", s, everyShard()...)
		_, err := r.submit(t.Context(), header(t, idOn(0), "bulk"), rooms(1))
		wantRefusal(t, err, codes.InvalidArgument, `there is no class "bulk": choose one of critical, standard`)
		_, err = r.submit(t.Context(), rooms(1))
		wantRefusal(t, err, codes.InvalidArgument, "the first message must have the header")
		_, err = r.submit(t.Context())
		wantRefusal(t, err, codes.InvalidArgument, "the first message must have the header")
		_, err = r.submit(t.Context(), &accessv1.SubmitJobRequest{Header: &accessv1.SubmitJobHeader{}})
		wantRefusal(t, err, codes.InvalidArgument, "cannot take the capsule")
		if len(s.calls) != 0 {
			t.Errorf("asked %v", s.calls)
		}
	})
}

func TestASubmissionWithoutTargetsYetIsMovedToTheNewOwner(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{fail: notOwner}, everyShard()...)
		next := &scheduler{}
		r.scheduler("s2", "standard", next)
		done := make(chan error, 1)
		go func() {
			_, err := r.submit(t.Context(), header(t, idOn(1), "standard"))
			done <- err
		}()
		wait(time.Second)
		r.owns("s2", "standard", 1)
		must(t, <-done)
		if next.count("SubmitJob") != 1 {
			t.Errorf("the new owner got %v", next.calls)
		}
	})
}

func TestASubmissionThatBreaksInTheMiddleIsForTheClientToRepeat(t *testing.T) {
	for name, fault := range map[string]error{
		"the shard moved":         notOwner(""),
		"the scheduler goes away": wire.StatusError(fmt.Errorf("%w: shutting down", wire.ErrUnavailable)),
	} {
		inBubble(t, func(r *rig) {
			t := r.t
			s := &scheduler{submit: func(n int) error {
				if n == 2 {
					return fault
				}
				return nil
			}}
			r.scheduler("s1", "standard", s, everyShard()...)
			_, err := r.submit(t.Context(), header(t, idOn(1), "standard"), rooms(10), rooms(10))
			t.Log(name)
			wantRefusal(t, err, codes.Unavailable, "lost in the middle")
			if wire.RetryDelay(err) != 100*time.Millisecond || wire.IsNotOwner(err) {
				t.Errorf("retry after %s", wire.RetryDelay(err))
			}
			if n := s.count("SubmitJob"); n != 1 {
				t.Errorf("access repeated it: %d times", n)
			}
		})
	}
}

func TestAWatchIsPassedOnToItsEnd(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{pool: "standard", watch: func(req *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
			for n := range uint64(3) {
				if err := out.Send(watched(nil, req.GetRequest().GetAfterRevision()+n+1)); err != nil {
					return err
				}
				wait(time.Hour)
			}
			return nil
		}}
		r.scheduler("s1", "standard", s, everyShard()...)
		got, err := r.watch(t.Context(), idOn(0), 7)
		if !errors.Is(err, io.EOF) || fmt.Sprint(got) != "[8 9 10]" {
			t.Errorf("got %v, then %v", got, err)
		}
	})
}

// watch is the revisions that came, and how it ended.
func (r *rig) watch(ctx context.Context, id job.ID, after uint64) (revisions []uint64, err error) {
	stream, err := r.user.WatchJob(ctx, &accessv1.WatchJobRequest{JobId: id.String(), AfterRevision: after})
	for err == nil {
		var m *accessv1.WatchJobResponse
		if m, err = stream.Recv(); err == nil {
			revisions = append(revisions, m.GetCompleteRevision())
		}
	}
	return revisions, err
}

func TestAWatchWhoseSchedulerIsLostIsUnavailableAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		kill := r.scheduler("s1", "standard", silent(), everyShard()...)
		r.scheduler("s2", "standard", &scheduler{pool: "standard"})
		time.AfterFunc(10*time.Second, kill)
		began := time.Now()
		got, err := r.watch(t.Context(), idOn(0), 0)
		wantRefusal(t, err, codes.Unavailable, "lost in the middle")
		if fmt.Sprint(got) != "[1]" || wire.RetryDelay(err) != 100*time.Millisecond || time.Since(began) > 11*time.Second {
			t.Errorf("got %v after %s; retry after %s", got, time.Since(began), wire.RetryDelay(err))
		}
	})
}

// silent is a scheduler whose watches say one thing and then nothing.
func silent() *scheduler {
	return &scheduler{pool: "standard", watch: func(_ *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
		if err := out.Send(watched(nil, 1)); err != nil {
			return err
		}
		<-out.Context().Done()
		return out.Context().Err()
	}}
}

func TestAReplicaThatStopsSendsWhoWatchesElsewhereAtOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", silent(), everyShard()...)
		time.AfterFunc(time.Hour, r.stop)
		began := time.Now()
		got, err := r.watch(t.Context(), idOn(0), 0)
		wantRefusal(t, err, codes.Unavailable, "this replica of access is stopping; go on at another one")
		if fmt.Sprint(got) != "[1]" || wire.RetryDelay(err) != 100*time.Millisecond || time.Since(began) != time.Hour {
			t.Errorf("got %v after %s; retry after %s", got, time.Since(began), wire.RetryDelay(err))
		}
	})
}

func TestAWatchThatWaitsForAnOwnerDoesNotHoldUpTheStop(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}) // owns nothing
		time.AfterFunc(time.Second, r.stop)
		began := time.Now()
		_, err := r.watch(t.Context(), idOn(0), 0)
		wantRefusal(t, err, codes.Unavailable, "is stopping")
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWatchThatHasNotBegunIsMovedToTheNewOwner(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard", watch: func(*schedulerv1.WatchJobRequest, grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
			return notOwner("")
		}}, everyShard()...)
		r.scheduler("s2", "standard", &scheduler{pool: "standard"})
		time.AfterFunc(time.Second, func() { _ = r.hub.Put(context.WithoutCancel(t.Context()), "shards/standard/0", []byte("s2")) })
		got, err := r.watch(t.Context(), idOn(0), 0)
		if !errors.Is(err, io.EOF) || fmt.Sprint(got) != "[1]" {
			t.Errorf("got %v, then %v", got, err)
		}
	})
}

func TestAUserWhoLeavesEndsTheCallAtTheScheduler(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		ended := make(chan struct{})
		s := &scheduler{pool: "standard", watch: func(_ *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
			defer close(ended)
			<-out.Context().Done()
			return out.Context().Err()
		}}
		r.scheduler("s1", "standard", s, everyShard()...)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, leave)
		_, err := r.watch(ctx, idOn(0), 0)
		wantRefusal(t, err, codes.Canceled, "")
		<-ended
	})
}

func TestOutputsAndTargetsComeFromAnyScheduler(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{})
		targets, err := r.user.ResolveTargets(t.Context(), &accessv1.ResolveTargetsRequest{})
		must(t, err)
		for want := range uint64(2) {
			m, err := targets.Recv()
			must(t, err)
			if m.GetResolution().GetCount() != want+1 {
				t.Errorf("got %v", m)
			}
		}
		if _, err := targets.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the list ended with %v", err)
		}
		output, err := r.user.GetOutput(t.Context(), &accessv1.GetOutputRequest{JobId: idOn(0).String()})
		must(t, err)
		m, err := output.Recv()
		must(t, err)
		if string(m.GetContent()) != "s1" {
			t.Errorf("got %q", m.GetContent())
		}
	})
}
