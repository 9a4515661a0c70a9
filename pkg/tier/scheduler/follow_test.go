package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// follow asks for the standard output of the first host of a job.
func (r *rig) follow(ctx context.Context, name string, id job.ID, change func(*accessv1.FollowOutputRequest)) (grpc.ServerStreamingClient[schedulerv1.FollowOutputResponse], error) {
	r.Helper()
	req := &accessv1.FollowOutputRequest{JobId: id.String(), HostId: "h000", Stream: typesv1.Stream_STREAM_STDOUT, Follow: true}
	if change != nil {
		change(req)
	}
	return r.last.api.FollowOutput(ctx, &schedulerv1.FollowOutputRequest{Caller: user(name), Request: req})
}

// transcript is all that a follower gets, in a line.
func transcript(stream grpc.ServerStreamingClient[schedulerv1.FollowOutputResponse], err error) (string, error) {
	var said []string
	for err == nil {
		var m *schedulerv1.FollowOutputResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		switch p := m.GetResponse().GetPiece(); {
		case m.GetResponse().GetWaitsFor() != 0:
			said = append(said, m.GetResponse().GetWaitsFor().String())
		case p.GetEnd() != nil:
			said = append(said, fmt.Sprintf("end %d %v", p.GetEnd().GetTotal(), p.GetEnd().GetEnded()))
		default:
			said = append(said, fmt.Sprintf("%d:%s", p.GetOffset(), p.GetContent()))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.Join(said, " "), err
}

func TestWhatTheHostSendsIsPassedOnFromWhereItBrokeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		tries := 0
		r.world.follows = func(_ context.Context, host fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error {
			tries++
			if host != "h000" || v.Attempt != 1 || v.Stream != job.Stdout || !v.Follow {
				t.Errorf("%s was asked for %+v", host, v)
			}
			switch tries {
			case 1:
				return errors.Join(each(wire.OutputPiece{Offset: v.Offset, Content: []byte("one")}), wire.ErrUnavailable)
			case 2:
				return fmt.Errorf("%w: it is being said", wire.ErrNotFound)
			}
			return errors.Join(each(wire.OutputPiece{Offset: v.Offset + 10, Content: []byte("late")}),
				each(wire.OutputPiece{End: true, Total: 17, Ended: true}))
		}
		o := r.run()
		r.until("it runs", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		got, err := transcript(r.follow(t.Context(), "ann", o.id, nil))
		if want := "0:one OUTPUT_WAIT_HOST 13:late end 17 true"; got != want || err != nil || tries != 3 {
			t.Errorf("got %s, %v after %d tries, want %s", got, err, tries, want)
		}
	})
}

func TestWhatIsInTheStoreIsServedFromAnyOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = func(fleet.HostID, job.ID) outcome {
			return outcome{state: task.Succeeded, output: []byte("headtail"), cut: 100, tail: 4}
		}
		o := r.run()
		r.done(o.id)
		for offset, want := range map[uint64]string{
			0: "0:head 104:tail end 108 true", 2: "2:ad 104:tail end 108 true", 4: "104:tail end 108 true",
			50: "104:tail end 108 true", 106: "106:il end 108 true", 108: "end 108 true", 500: "end 108 true",
		} {
			got, err := transcript(r.follow(t.Context(), "ann", o.id, func(q *accessv1.FollowOutputRequest) { q.Offset = offset }))
			if got != want || err != nil {
				t.Errorf("from %d: %s, %v, want %s", offset, got, err, want)
			}
		}
		got, err := transcript(r.follow(t.Context(), "ann", o.id, func(q *accessv1.FollowOutputRequest) { q.Stream = typesv1.Stream_STREAM_STDERR }))
		if got != "end 0 true" || err != nil {
			t.Errorf("of nothing: %s, %v", got, err)
		}
	})
}

func TestAFollowerThatCannotBeServedIsToldWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.run()
		r.until("it runs", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		for name, c := range map[string]struct {
			change func(*accessv1.FollowOutputRequest)
			host   error
			code   codes.Code
			say    string
		}{
			"no host":          {func(q *accessv1.FollowOutputRequest) { q.HostId = "" }, nil, codes.InvalidArgument, "no host is named"},
			"another host":     {func(q *accessv1.FollowOutputRequest) { q.HostId = "h9" }, nil, codes.NotFound, "not a target"},
			"no stream":        {func(q *accessv1.FollowOutputRequest) { q.Stream = 0 }, nil, codes.InvalidArgument, "stdout"},
			"another attempt":  {func(q *accessv1.FollowOutputRequest) { q.Attempt = 2 }, nil, codes.NotFound, "no attempt 2"},
			"does not wait":    {func(q *accessv1.FollowOutputRequest) { q.Follow = false }, wire.ErrUnavailable, codes.Unavailable, "not available"},
			"too many":         {nil, wire.ErrTooMuch, codes.Unavailable, "limit"},
			"a host too old":   {nil, wire.ErrInvalid, codes.InvalidArgument, "invalid"},
			"a lying room":     {nil, wire.ErrMessage, codes.InvalidArgument, "malformed"},
			"not a job's name": {func(q *accessv1.FollowOutputRequest) { q.JobId = "x" }, nil, codes.InvalidArgument, ""},
		} {
			r.world.mu.Lock()
			r.world.follows = func(context.Context, fleet.HostID, wire.View, func(wire.OutputPiece) error) error { return c.host }
			r.world.mu.Unlock()
			_, err := transcript(r.follow(t.Context(), "ann", o.id, c.change))
			if status.Code(err) != c.code && name != "too many" || !strings.Contains(status.Convert(err).Message(), c.say) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestFollowersAreBoundedAndOneUserTakesHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		r.world.follows = func(ctx context.Context, _ fleet.HostID, _ wire.View, each func(wire.OutputPiece) error) error {
			if err := each(wire.OutputPiece{Content: []byte("x")}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		o := r.run()
		r.until("it runs", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		open := func(name string) (leave func(), err error) {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := r.follow(ctx, name, o.id, nil)
			if err == nil {
				_, err = stream.Recv()
			}
			return cancel, err
		}
		var leaves []func()
		for n := range maxFollows {
			leave, err := open([]string{"ann", "bob"}[n%2])
			if err != nil {
				t.Fatalf("follower %d: %v", n, err)
			}
			leaves = append(leaves, leave)
		}
		for _, name := range []string{"ann", "carl"} {
			if _, err := open(name); status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 {
				t.Errorf("one too many of %s is told %v", name, err)
			}
		}
		leaves[0]()
		synctest.Wait()
		if _, err := open("bob"); status.Code(err) != codes.Unavailable {
			t.Errorf("bob has more than half: %v", err)
		}
		leave, err := open("ann")
		if err != nil {
			t.Errorf("with room again: %v", err)
		}
		for _, leave := range append(leaves, leave) {
			leave()
		}
	})
}

func TestAFollowerWhoReadsNothingIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		var sent int
		over := make(chan error, 1)
		r.world.follows = func(ctx context.Context, _ fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error {
			for at := v.Offset; ; at += wire.BlobPiece {
				if err := each(wire.OutputPiece{Offset: at, Content: make([]byte, wire.BlobPiece)}); err != nil {
					over <- err
					return err
				}
				sent++
			}
		}
		o := r.run()
		r.until("it runs", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		stream, err := r.follow(t.Context(), "ann", o.id, nil)
		stalled(t, stream, err)
		began := time.Now()
		if err := <-over; err == nil || time.Since(began) != viewerTimeout || sent*wire.BlobPiece > 1<<20 {
			t.Errorf("after %v and %d pieces: %v", time.Since(began), sent, err)
		}
	})
}
