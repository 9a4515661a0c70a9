package access

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// call is one RPC to a scheduler on behalf of a caller.
type call func(to schedulerv1.SchedulerServiceClient, caller *identityv1.Caller) error

// retryPause is the least time between two tries of one call.
const retryPause = 50 * time.Millisecond

// errNoOwner is the answer while a shard goes from one scheduler to another.
var errNoOwner = fmt.Errorf("%w: no scheduler owns this part of the pool at the moment; try again", wire.ErrUnavailable)

// caller is who makes the call, by its certificate.
func caller(ctx context.Context) (*identityv1.Caller, error) {
	id, err := identity.Peer(ctx)
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	return &identityv1.Caller{User: id.Name, SpiffeId: id.String()}, nil
}

// fromOwner is the answer of the owner of a job to one call.
func fromOwner[R any](ctx context.Context, s *Server, jobID string, ask func(schedulerv1.SchedulerServiceClient, *identityv1.Caller) (R, error)) (out R, err error) {
	id, err := parseID(jobID)
	if err != nil {
		return out, err
	}
	err = s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (err error) {
		out, err = ask(to, who)
		return err
	})
	return out, err
}

// fromAny is the answer of any scheduler to one call.
func fromAny[R any](ctx context.Context, s *Server, ask func(schedulerv1.SchedulerServiceClient, *identityv1.Caller) (R, error)) (out R, err error) {
	err = s.toAny(ctx, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (err error) {
		out, err = ask(to, who)
		return err
	})
	return out, err
}

// toOwner makes a call to the owner of a job's shard. A call that the shard's
// taking over has met, and that had no effect, is made again.
func (s *Server) toOwner(ctx context.Context, id job.ID, do call) error {
	pool, err := s.locate(ctx, id)
	if err != nil {
		return err
	}
	return s.toPool(ctx, pool, id, do)
}

// toPool makes a call to the owner of a job's shard in a pool, or in the pool
// that a scheduler then names: what this replica believed may be out of date.
func (s *Server) toPool(ctx context.Context, pool string, id job.ID, do call) error {
	follow := func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		err := do(to, who)
		if named, ok := s.pools.learn(id, err); ok {
			pool = named
		}
		return err
	}
	return s.try(ctx, follow, func() ([]coord.Member, <-chan struct{}) {
		m, ok, changed := s.routes.ownerOf(pool, id)
		if !ok {
			return nil, changed
		}
		return []coord.Member{m}, changed
	})
}

// toAny makes a call that every scheduler can answer.
func (s *Server) toAny(ctx context.Context, do call) error { return s.try(ctx, do, s.routes.any) }

// try makes a call until a scheduler has answered it, or the time for finding
// one is over.
func (s *Server) try(ctx context.Context, do call, find func() ([]coord.Member, <-chan struct{})) error {
	who, err := caller(ctx)
	if err != nil {
		return err
	}
	give := time.Now().Add(s.cfg.RouteWait)
	err = errNoOwner
	for {
		members, changed := find()
		for _, m := range members {
			if err = s.callOne(ctx, m, who, do); !again(err) {
				return wire.StatusError(err)
			}
		}
		if !waitFor(ctx, changed, give) {
			if wire.IsNotOwner(err) { // who should own it does not yet: that is no fault of the call
				err = errNoOwner
			}
			return wire.StatusError(err)
		}
	}
}

func (s *Server) callOne(ctx context.Context, m coord.Member, who *identityv1.Caller, do call) error {
	to, err := s.conns.to(m.Name, m.Addr)
	if err != nil {
		return err
	}
	return lost(ctx, do(to, who))
}

// lost is the error of a call whose connection access itself has closed, since
// the scheduler is gone: gRPC says CANCELED then, as if the user had done it.
func lost(ctx context.Context, err error) error {
	if status.Code(err) == codes.Canceled && ctx.Err() == nil {
		return status.Error(codes.Unavailable, "the scheduler is gone")
	}
	return err
}

// again reports whether a call had no effect and may be made elsewhere, or
// later: nobody was reached, or not the owner.
func again(err error) bool {
	return err != nil && (status.Code(err) == codes.Unavailable && wire.RetryDelay(err) == 0 || wire.IsNotOwner(err))
}

// waitFor waits for a change of the map, but at least for the pause and at most
// for half a second; false: the time is over.
func waitFor(ctx context.Context, changed <-chan struct{}, give time.Time) bool {
	left := time.Until(give)
	if left <= 0 {
		return false
	}
	pause, long := time.NewTimer(min(retryPause, left)), time.NewTimer(min(10*retryPause, left))
	defer pause.Stop()
	defer long.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pause.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-long.C:
	}
	return true
}

// locate is the pool that holds a job.
func (s *Server) locate(ctx context.Context, id job.ID) (string, error) {
	if pool, ok := s.pools.get(id); ok {
		return pool, nil
	}
	var pool string
	err := s.toAny(ctx, func(to schedulerv1.SchedulerServiceClient, _ *identityv1.Caller) error {
		resp, err := to.LocateJob(ctx, &schedulerv1.LocateJobRequest{JobId: id.String()})
		pool = resp.GetPool()
		return err
	})
	if err == nil {
		s.pools.put(id, pool)
	}
	return pool, err
}

// parseID reads the id that a user typed.
func parseID(text string) (job.ID, error) {
	id, err := job.ParseID(text)
	if err != nil {
		return id, status.Errorf(codes.InvalidArgument, "job id %.80q: %v", text, err)
	}
	return id, nil
}
