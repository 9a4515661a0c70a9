package access_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// talkative is a scheduler whose watches say so much, in messages of 1 KiB.
func talkative(messages int, said *int) *scheduler {
	return &scheduler{pool: "standard", watch: func(_ *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
		for n := range messages {
			if err := out.Send(watched(&typesv1.Job{Note: string(bytes.Repeat([]byte("n"), 1<<10))}, uint64(n+1))); err != nil {
				return err
			}
			*said = n + 1
		}
		return nil
	}}
}

// TestAViewerThatReadsNothingIsSentAwayAndSlowsNobody is about 8 MiB for one who
// reads none of it.
func TestAViewerThatReadsNothingIsSentAwayAndSlowsNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		const messages = 8 << 10
		said := 0
		r.scheduler("s1", "standard", talkative(messages, &said), 0)
		r.scheduler("s2", "standard", &scheduler{pool: "standard"}, 1, 2, 3)
		slow := r.reader(t.Context(), idOn(0))
		synctest.Wait()
		if said > 2<<10 || r.server.Viewers() != 1 {
			t.Errorf("%d of %d messages were taken from the scheduler for one who reads none", said, messages)
		}
		began := time.Now()
		if _, err := r.watch(t.Context(), idOn(1), 0); !errors.Is(err, io.EOF) {
			t.Errorf("another watch ended with %v", err)
		}
		if _, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()}); err != nil {
			t.Errorf("another call to the same scheduler: %v", err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("others took %s beside one who reads nothing", took)
		}
		wait(access.ViewerTimeout + time.Second)
		synctest.Wait()
		if n := r.server.Viewers(); n != 0 {
			t.Errorf("%d viewers are left after their time", n)
		}
		seen := uint64(0)
		for {
			m, err := slow.Recv()
			if err != nil {
				wantRefusal(t, err, codes.Unavailable, "was not taken")
				if wire.RetryDelay(err) == 0 {
					t.Errorf("who was sent away is not told to come again: %v", err)
				}
				break
			}
			if m.GetCompleteRevision() != seen+1 {
				t.Fatalf("after revision %d came %d", seen, m.GetCompleteRevision())
			}
			seen++
		}
		if seen == 0 || seen > uint64(said) {
			t.Errorf("%d messages came of %d that were said", seen, said)
		}
	})
}

// reader is a watch of which nothing has been read.
func (r *rig) reader(ctx context.Context, id job.ID) grpc.ServerStreamingClient[accessv1.WatchJobResponse] {
	r.t.Helper()
	conn, err := grpc.NewClient("passthrough:///access", grpc.WithTransportCredentials(r.credentials("ann")), grpc.WithContextDialer(r.dial),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(1<<20))
	must(r.t, err)
	r.ends = append(r.ends, func() { _ = conn.Close() })
	stream, err := accessv1.NewAccessServiceClient(conn).WatchJob(ctx, &accessv1.WatchJobRequest{JobId: id.String()})
	must(r.t, err)
	return stream
}

func TestViewersAreBoundedAndOneUserHasHalf(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", silent(), everyShard()...)
		r.server.BoundViewers(4)
		bob := r.connect(identity.User, "bob")
		r.ends = append(r.ends, func() { _ = bob.Close() })
		open := func(conn *grpc.ClientConn) (context.CancelFunc, error) {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := accessv1.NewAccessServiceClient(conn).WatchJob(ctx, &accessv1.WatchJobRequest{JobId: idOn(0).String()})
			must(t, err)
			_, err = stream.Recv()
			return cancel, err
		}
		first, err := open(r.conn)
		must(t, err)
		second, err := open(r.conn)
		must(t, err)
		defer second()
		_, err = open(r.conn)
		wantRefusal(t, err, codes.Unavailable, "too many streams")
		if _, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()}); err != nil {
			t.Errorf("a call that is no stream: %v", err)
		}
		other, err := open(bob)
		must(t, err)
		defer other()
		first()
		synctest.Wait()
		again, err := open(r.conn)
		if err != nil {
			t.Errorf("with room again: %v", err)
		}
		again()
	})
}

func TestAMessageOfAUserThatIsTooLargeIsRefusedAndTheNextIsTaken(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: string(make([]byte, access.MaxMessage))})
		wantRefusal(t, err, codes.ResourceExhausted, "larger than max")
		if _, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()}); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

func TestTheCacheOfPoolsIsBoundedAndKeepsTheYoungest(t *testing.T) {
	cache := access.NewPoolCache()
	ids := make([]job.ID, 3*access.MaxPools)
	for i := range ids {
		ids[i] = job.NewID(time.UnixMilli(int64(i)+1), [10]byte{})
		cache.Put(ids[i], "standard")
		if n := cache.Len(); n > access.MaxPools {
			t.Fatalf("after %d jobs it holds %d", i+1, n)
		}
	}
	for i, id := range ids[len(ids)-access.MaxPools/2:] {
		if pool, ok := cache.Get(id); !ok || pool != "standard" {
			t.Fatalf("of the youngest half number %d is forgotten", i)
		}
	}
	if _, ok := cache.Get(ids[0]); ok {
		t.Error("the oldest is still there")
	}
}

// TestCallsBeyondThoseOfAConnectionWaitForTheirTurn opens as many watches as one
// connection may have, and one call more.
func TestCallsBeyondThoseOfAConnectionWaitForTheirTurn(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", silent(), everyShard()...)
		first, end := context.WithCancel(t.Context())
		for n := range access.MaxStreams {
			ctx := t.Context()
			if n == 0 {
				ctx = first
			}
			stream, err := r.user.WatchJob(ctx, &accessv1.WatchJobRequest{JobId: idOn(0).String()})
			must(t, err)
			_, err = stream.Recv()
			must(t, err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()})
			answered <- err
		}()
		synctest.Wait()
		if len(answered) != 0 {
			t.Error("one call more than a connection may have did not wait")
		}
		other := r.connect(identity.User, "bob")
		r.ends = append(r.ends, func() { _ = other.Close() })
		if _, err := accessv1.NewAccessServiceClient(other).GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()}); err != nil {
			t.Errorf("a call on another connection: %v", err)
		}
		end()
		if err := <-answered; err != nil {
			t.Errorf("when it is its turn: %v", err)
		}
	})
}
