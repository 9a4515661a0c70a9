package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/wire"
)

// maxFollows bounds the outputs that are followed at this scheduler; of one user
// half. Each holds at most a window of its aggregator's connection, 4 MiB, if its
// viewer is slow.
const maxFollows = 64

// How often somebody who waits for an output looks whether it can be had.
const (
	followSoon = 100 * time.Millisecond
	followLate = time.Second
)

var errManyFollows = errors.New("too many outputs are being followed at this scheduler, or by you; end some, or come again")

// following is one output on its way to a viewer.
type following struct {
	*Scheduler
	out     grpc.ServerStreamingServer[schedulerv1.FollowOutputResponse]
	asked   *accessv1.ListTasksRequest // its task
	user    string
	stream  job.Stream
	attempt uint32 // 0: it has not begun
	next    uint64 // offset of the next byte
	follow  bool
	said    accessv1.OutputWait // what the viewer was told last that it waits for
	heard   bool                // a piece came since
}

// FollowOutput sends an output of a task as it is written: from its host as long
// as that has it, then from the store. The offset of each piece is that in what
// the command wrote, so that the viewer sees what was passed over.
func (s *Scheduler) FollowOutput(req *schedulerv1.FollowOutputRequest, out grpc.ServerStreamingServer[schedulerv1.FollowOutputResponse]) error {
	asked, user := req.GetRequest(), req.GetCaller().GetUser()
	stream, err := wire.StreamFromProto(asked.GetStream())
	if err != nil {
		return err
	}
	f := &following{
		Scheduler: s, out: out, asked: &accessv1.ListTasksRequest{JobId: asked.GetJobId(), Host: asked.GetHostId()}, user: user,
		stream: stream, attempt: asked.GetAttempt(), next: asked.GetOffset(), follow: asked.GetFollow(),
	}
	if asked.GetHostId() == "" {
		return fmt.Errorf("%w: no host is named; say whose output of job %s by its host: id or IP address", wire.ErrInvalid, asked.GetJobId())
	}
	if ok, _ := s.follows.try(user, 1); !ok {
		return busy(errManyFollows)
	}
	defer s.follows.giveBack(user, 1)
	ctx := out.Context()
	for pause := followSoon; ; pause = min(2*pause, followLate) {
		f.heard = false
		done, err := f.step(ctx)
		if err != nil || done {
			return err
		}
		if f.heard {
			pause = followSoon
		}
		if lifecycle.Pause(ctx, pause); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// step sends what can be had now; done: the output has come to its end.
func (f *following) step(ctx context.Context) (done bool, err error) {
	p, row, err := f.look(ctx)
	if err != nil {
		return false, err
	}
	report := p.views[0].Report
	if f.attempt == 0 {
		f.attempt = report.Attempt
	}
	switch {
	case f.attempt > report.Attempt:
		return false, fmt.Errorf("%w: there is no attempt %d on host %s; leave it out for the present one", wire.ErrNotFound, f.attempt, p.host)
	case report.State.Final() && report.Attempt == f.attempt:
		if row == nil || row.Revision < p.views[0].Revision {
			return false, nil // it is being written
		}
		return true, f.kept(ctx, p, row.Detail)
	case report.Attempt == f.attempt && report.State < task.Accepted:
		return f.waits(accessv1.OutputWait_OUTPUT_WAIT_START, nil)
	}
	return f.live(ctx, p)
}

// look reads the task, and what is durable of its outcome; nil: nothing is.
func (f *following) look(ctx context.Context) (*taskPage, *job.TaskRow, error) {
	p, err := f.taskPage(f.asked)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := f.budgeted(ctx)
	defer cancel()
	if err := f.read(ctx, p, func(job.Spec, job.Row) {}); err != nil {
		return nil, nil, f.of(p.id, err)
	}
	if p.unknown {
		return nil, nil, fmt.Errorf("%w: host %.140q is not a target of job %s", wire.ErrNotFound, p.host, p.id)
	}
	rows, err := f.details(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	if row, ok := rows[p.ordinals[0]]; ok {
		return p, &row, nil
	}
	return p, nil, nil
}

// live passes on what the host sends.
func (f *following) live(ctx context.Context, p *taskPage) (done bool, err error) {
	host := p.targets.At(p.ordinals[0]).Host
	via, ok := f.hosts.Via(host)
	if !ok {
		return f.waits(accessv1.OutputWait_OUTPUT_WAIT_HOST, fmt.Errorf("%w: host %s is away", wire.ErrUnavailable, host))
	}
	v := wire.View{Job: p.id, Attempt: f.attempt, Stream: f.stream, Offset: f.next, Follow: f.follow}
	var gone error
	err = f.rooms.FollowOutput(ctx, via, host, v, func(piece wire.OutputPiece) error {
		done = piece.End
		gone = f.pass(piece)
		return gone
	})
	switch {
	case gone != nil:
		return false, gone
	case errors.Is(err, wire.ErrUnavailable):
		return f.waits(accessv1.OutputWait_OUTPUT_WAIT_HOST, err)
	case errors.Is(err, wire.ErrNotFound) && p.views[0].Report.Attempt == f.attempt:
		return f.waits(accessv1.OutputWait_OUTPUT_WAIT_UNSPECIFIED, nil) // its outcome is on its way
	case errors.Is(err, wire.ErrTooMuch):
		return false, busy(err)
	}
	return done, err
}

// kept sends what the store has of an outcome, and the end.
func (f *following) kept(ctx context.Context, p *taskPage, detail job.Detail) error {
	var ref job.OutputRef
	for _, o := range detail.Outputs {
		if o.Stream == f.stream {
			ref = o
		}
	}
	head, total := ref.Size-ref.Tail, ref.Size+ref.Cut
	if ref.Size > 0 && f.next < total {
		held, err := f.hold(ctx, f.user, maxOutput)
		if err != nil {
			return err
		}
		defer held.leave()
		content, err := f.store.Output(ctx, p.id, ref.Digest)
		if err != nil {
			return fmt.Errorf("job %s: cannot read an output of host %s: %w", p.id, p.host, err)
		}
		if uint64(len(content)) != ref.Size {
			return fmt.Errorf("job %s: an output of host %s has %d bytes in the store, and its host said %d", p.id, p.host, len(content), ref.Size)
		}
		held.shrink(int64(len(content)))
		if err := f.stretch(0, content[:head]); err != nil {
			return err
		}
		if err := f.stretch(head+ref.Cut, content[head:]); err != nil {
			return err
		}
	}
	return f.pass(wire.OutputPiece{End: true, Total: total, Ended: true})
}

// stretch sends what the viewer does not have of bytes that begin at an offset.
func (f *following) stretch(at uint64, content []byte) error {
	for at+uint64(len(content)) > f.next && len(content) > 0 {
		skip := f.next - min(f.next, at)
		n := min(skip+pieceOfOutput, uint64(len(content)))
		if err := f.pass(wire.OutputPiece{Offset: at + skip, Content: content[skip:n]}); err != nil {
			return err
		}
		at, content = at+n, content[n:]
		f.next = max(f.next, at)
	}
	return nil
}

// pass sends a piece to the viewer.
func (f *following) pass(piece wire.OutputPiece) error {
	if !piece.End {
		f.next, f.heard, f.said = piece.Next(), true, accessv1.OutputWait_OUTPUT_WAIT_UNSPECIFIED
	}
	return f.send(&accessv1.FollowOutputResponse{Piece: wire.PieceToProto(piece), Attempt: f.attempt})
}

// waits tells the viewer once why nothing comes. Who does not want to wait gets
// the end, or the reason.
func (f *following) waits(what accessv1.OutputWait, reason error) (done bool, err error) {
	switch {
	case !f.follow && reason != nil:
		return false, busy(reason)
	case !f.follow:
		return true, f.pass(wire.OutputPiece{End: true, Total: f.next})
	case what == f.said || what == accessv1.OutputWait_OUTPUT_WAIT_UNSPECIFIED:
		return false, nil
	}
	f.said = what
	return false, f.send(&accessv1.FollowOutputResponse{Attempt: f.attempt, WaitsFor: what})
}

func (f *following) send(m *accessv1.FollowOutputResponse) error {
	return f.deliver(func() error { return f.out.Send(&schedulerv1.FollowOutputResponse{Response: m}) })
}
