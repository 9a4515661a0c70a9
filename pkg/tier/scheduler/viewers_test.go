package scheduler

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func user(name string) *identityv1.Caller { return &identityv1.Caller{User: name} }

// stalled opens a stream of which nothing is ever read.
func stalled[M any](t *testing.T, stream grpc.ServerStreamingClient[M], err error) grpc.ServerStreamingClient[M] {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return stream
}

// read reads a stream to its end.
func read[M any](stream grpc.ServerStreamingClient[M], err error) (n int, _ error) {
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			n++
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// withOutput is a job of which a host has written so much, and the digest.
func (r *rig) withOutput(size int) (job.ID, []byte) {
	r.Helper()
	r.world.does = func(fleet.HostID, job.ID) outcome {
		return outcome{state: task.Succeeded, output: bytes.Repeat([]byte("x"), size), big: true}
	}
	o := r.run()
	r.done(o.id)
	return o.id, r.tasks(o.id, nil)[0].GetResult().GetOutputs()[0].GetDigest()
}

func TestWhoReadsNoneOfHisOutputsHoldsABoundedPartOfThemForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		const size = 1 << 20
		id, digest := r.withOutput(size)
		s := r.last.Scheduler
		s.reading = newAllowance(6 * maxOutput) // of one user 48 MiB: 33 of these and room to read one more
		ask := func(name string) (grpc.ServerStreamingClient[schedulerv1.GetOutputResponse], error) {
			return r.last.api.GetOutput(t.Context(), &schedulerv1.GetOutputRequest{
				Caller: user(name), Request: &accessv1.GetOutputRequest{JobId: id.String(), Digest: digest},
			})
		}
		for range 40 {
			stream, err := ask("ann")
			stalled(t, stream, err)
		}
		if held := s.reading.total(); held != 33*size {
			t.Errorf("%d bytes are held for a viewer that reads nothing", held)
		}
		began := time.Now()
		if n, err := read(ask("bob")); n != size/pieceOfOutput || err != nil || time.Since(began) > 0 {
			t.Errorf("another user got %d pieces after %s, %v", n, time.Since(began), err)
		}
		_, err := read(ask("ann"))
		if status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 || time.Since(began) != s.cfg.AnswerBudget {
			t.Errorf("after %s the user himself is told %v", time.Since(began), err)
		}
		time.Sleep(viewerTimeout)
		synctest.Wait()
		if held := s.reading.total(); held != 0 {
			t.Errorf("%d bytes are held for viewers that were sent away", held)
		}
		if n, err := read(ask("ann")); n != size/pieceOfOutput || err != nil {
			t.Errorf("then the user gets %d pieces, %v", n, err)
		}
	})
}

func TestAWatchThatIsNotReadIsEndedAndSlowsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 900)
		r.world.does = runsOn
		o := r.order()
		o.note = strings.Repeat("n", job.MaxNote) // in every message
		r.submit(o)
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 900 })
		watch := func(ctx context.Context, after uint64) (grpc.ServerStreamingClient[schedulerv1.WatchJobResponse], error) {
			return r.last.api.WatchJob(ctx, &schedulerv1.WatchJobRequest{Caller: user("ann"), Request: &accessv1.WatchJobRequest{JobId: o.id.String(), AfterRevision: after}})
		}
		stream, err := watch(t.Context(), 0)
		slow := stalled(t, stream, err)
		for i := range 900 {
			r.world.finish(hostName(i), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 3}, output: []byte("no\n")})
			if i%9 == 0 {
				time.Sleep(mostPace) // the next one is another message
			}
		}
		began := time.Now()
		r.done(o.id)
		if n, err := read(watch(t.Context(), 0)); n == 0 || err != nil {
			t.Errorf("another viewer gets %d messages, %v", n, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the job and another viewer took %s beside one that reads nothing", took)
		}
		if n := r.last.watches.total(); n != 1 {
			t.Errorf("%d watches go on, want that which is not read", n)
		}
		time.Sleep(viewerTimeout + time.Second)
		synctest.Wait()
		if n := r.last.watches.total(); n != 0 {
			t.Errorf("%d watches go on after their time", n)
		}
		after, seen := uint64(0), 0
		for {
			m, err := slow.Recv()
			if err != nil {
				if status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 {
					t.Errorf("who was sent away is told %v", err)
				}
				break
			}
			seen += len(m.GetResponse().GetTasks())
			after = max(after, m.GetResponse().GetCompleteRevision())
		}
		rest, err := watch(t.Context(), after)
		for err == nil {
			var m *schedulerv1.WatchJobResponse
			if m, err = rest.Recv(); err == nil {
				seen += len(m.GetResponse().GetTasks())
			}
		}
		if seen < 900 || !errors.Is(err, io.EOF) {
			t.Errorf("going on from what had come %d of 900 outcomes are told, %v", seen, err)
		}
	})
}

func TestWatchesAreBoundedAndOneUserTakesHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.run()
		r.last.watches = newAllowance(4)
		open := func(name string) (end func(), err error) {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := r.last.api.WatchJob(ctx, &schedulerv1.WatchJobRequest{Caller: user(name), Request: &accessv1.WatchJobRequest{JobId: o.id.String()}})
			if err == nil {
				_, err = stream.Recv()
			}
			return cancel, err
		}
		var ends []func()
		for range 2 {
			end, err := open("ann")
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, end)
		}
		if _, err := open("ann"); status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 {
			t.Errorf("one too many is told %v", err)
		}
		if end, err := open("bob"); err != nil {
			t.Errorf("another user is refused: %v", err)
		} else {
			defer end()
		}
		ends[0]()
		synctest.Wait()
		end, err := open("ann")
		if err != nil {
			t.Errorf("with room again: %v", err)
		}
		end()
		ends[1]()
	})
}

func TestATargetListWaitsForRoomAndIsThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.last.reading = newAllowance(2 * 3 * bytesOfTarget)
		resolve := func() (int, error) {
			return read(r.last.api.ResolveTargets(t.Context(), &schedulerv1.ResolveTargetsRequest{
				Caller: user("ann"), Request: &accessv1.ResolveTargetsRequest{Query: &accessv1.TargetQuery{All: true}},
			}))
		}
		if n, err := resolve(); n != 1 || err != nil {
			t.Fatalf("with room there are %d messages, %v", n, err)
		}
		if err := r.last.reading.take(t.Context(), "ann", 1); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := resolve(); wire.RetryDelay(err) == 0 || time.Since(began) != r.last.cfg.AnswerBudget {
			t.Errorf("without room it is told %v after %s", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { r.last.reading.giveBack("ann", 1) })
		if n, err := resolve(); n != 1 || err != nil {
			t.Errorf("with room again there are %d messages, %v", n, err)
		}
	})
}

func TestAMessageThatIsTooLargeIsRefusedAndTheNextIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		_, err := r.last.api.GetJob(t.Context(), &schedulerv1.GetJobRequest{Caller: caller(), Request: &accessv1.GetJobRequest{JobId: string(bytes.Repeat([]byte("x"), maxMessage))}})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a message of more than 4 MiB: %v", err)
		}
		r.done(r.run().id)
	})
}
