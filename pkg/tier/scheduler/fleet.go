package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/wire"
)

// hostToProto is a host with where it is.
func hostToProto(h hosts.Shown) *typesv1.Host {
	out := wire.HostToProto(h.Host)
	out.Attached, out.Aggregator, out.Since = h.Attached, string(h.Via), wire.TimeToProto(h.Since)
	return out
}

// ResolveTargets answers from the host table, as any scheduler can: the hosts
// that a query means, as they are now.
func (s *Scheduler) ResolveTargets(req *schedulerv1.ResolveTargetsRequest, out grpc.ServerStreamingServer[schedulerv1.ResolveTargetsResponse]) error {
	now := time.Now()
	found, err := s.found(out.Context(), req.GetRequest().GetQuery())
	if err != nil {
		return err
	}
	list, err := targetsOf(found)
	if err != nil {
		return err
	}
	held, err := s.hold(out.Context(), req.GetCaller().GetUser(), int64(list.Len())*bytesOfTarget)
	if err != nil {
		return err
	}
	defer held.leave()
	resolution := &accessv1.Resolution{ResolvedAt: wire.TimeToProto(now), Count: uint64(list.Len())}
	for first := 0; first < list.Len(); first += wire.TargetsPerMessage {
		resp := &accessv1.ResolveTargetsResponse{
			Resolution: resolution,
			Rooms:      wire.TargetsToProto(list, first, min(wire.TargetsPerMessage, list.Len()-first)),
		}
		if err := s.deliver(func() error { return out.Send(&schedulerv1.ResolveTargetsResponse{Response: resp}) }); err != nil {
			return err
		}
		resolution = nil
	}
	return nil
}

// found is the hosts that a query means.
func (s *Scheduler) found(ctx context.Context, asked *accessv1.TargetQuery) ([]fleet.Host, error) {
	if asked.GetParentJobId() != "" || len(asked.GetOutcomes()) > 0 {
		return s.foundAgain(ctx, asked)
	}
	q := fleet.Query{Hosts: asked.GetHosts(), All: asked.GetAll()}
	if text := asked.GetSelector(); text != "" {
		var err error
		if q.Selector, err = fleet.ParseSelector(text); err != nil {
			return nil, err
		}
	}
	return s.hosts.Select(q)
}

func targetsOf(found []fleet.Host) (*job.Targets, error) {
	var list job.TargetsBuilder
	for _, h := range found {
		if err := list.Add(h.Room, job.Target{Host: h.ID, Incarnation: h.Incarnation}); err != nil {
			return nil, err
		}
	}
	return list.Build()
}

// ListHosts lists hosts by id, as any scheduler can.
func (s *Scheduler) ListHosts(_ context.Context, req *schedulerv1.ListHostsRequest) (*schedulerv1.ListHostsResponse, error) {
	asked := req.GetRequest()
	limit, err := pageSize(asked.GetPageSize())
	if err != nil {
		return nil, err
	}
	var selector fleet.Selector
	if text := asked.GetSelector(); text != "" {
		if selector, err = fleet.ParseSelector(text); err != nil {
			return nil, err
		}
	}
	list := fmt.Sprintf("hosts selector=%q", selector.String())
	after, err := store.Cursor(list, asked.GetPageToken())
	if err != nil {
		return nil, err
	}
	found, more := s.hosts.Page(selector, fleet.HostID(after), limit)
	out := &accessv1.ListHostsResponse{}
	for _, h := range found {
		out.Hosts = append(out.Hosts, hostToProto(h))
	}
	if more {
		out.NextPageToken = store.PageToken(list, string(found[len(found)-1].ID))
	}
	return &schedulerv1.ListHostsResponse{Response: out}, nil
}

// GetHost returns a host by id or IP address, as any scheduler can.
func (s *Scheduler) GetHost(_ context.Context, req *schedulerv1.GetHostRequest) (*schedulerv1.GetHostResponse, error) {
	h, err := s.hosts.Get(req.GetRequest().GetHost())
	if errors.Is(err, fleet.ErrUnknownHost) {
		return nil, &said{err, wire.ErrNotFound}
	}
	if err != nil {
		return nil, err
	}
	return &schedulerv1.GetHostResponse{Response: &accessv1.GetHostResponse{Host: hostToProto(h)}}, nil
}

// RegisterHost writes a host that the issuer has enrolled, as the owner of the
// host table; see [hosts.Writer.Register] for what is refused.
func (s *Scheduler) RegisterHost(ctx context.Context, req *schedulerv1.RegisterHostRequest) (*schedulerv1.RegisterHostResponse, error) {
	h, err := wire.HostFromProto(req.GetHost())
	if err != nil {
		return nil, err
	}
	if h.KeyState == fleet.KeyUnspecified {
		h.KeyState = fleet.KeyAccepted
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	row, err := s.registry.Register(ctx, h)
	switch {
	case errors.Is(err, hosts.ErrNotOwner):
		return nil, &wire.NotOwnerError{Shard: hosts.Shard()}
	case errors.Is(err, errSlow):
		return nil, &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: host %s: %w; register it again", wire.ErrUnavailable, h.ID, err)}
	case err != nil:
		return nil, err
	}
	return &schedulerv1.RegisterHostResponse{Host: wire.HostToProto(row)}, nil
}
