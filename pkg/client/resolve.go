package client

import (
	"context"
	"errors"
	"io"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Targets is a frozen list of hosts, ready to be signed for: 1 to 500,000 of
// them. Submitted later than 10 minutes after ResolvedAt it is Expired. It does
// not change, and is safe for concurrent use.
type Targets struct {
	list     *job.Targets
	resolved *accessv1.Resolution
}

// Len is the number of hosts.
func (t *Targets) Len() int { return t.list.Len() }

// ResolvedAt is when the list was made, by the servers' clock.
func (t *Targets) ResolvedAt() time.Time { return wire.TimeFromProto(t.resolved.GetResolvedAt()) }

// Hosts are the ids, sorted by room and then by id, bytewise; the place of a host
// is the Ordinal of its Task. The slice is the caller's.
func (t *Targets) Hosts() []string {
	out := make([]string, t.list.Len())
	for i := range out {
		out[i] = string(t.list.At(uint32(i)).Host)
	}
	return out
}

// Rooms are the rooms with the number of their hosts. The map is the caller's.
func (t *Targets) Rooms() map[string]int {
	out := map[string]int{}
	for _, r := range t.list.Rooms() {
		out[string(r.Room)] = int(r.Count)
	}
	return out
}

// Resolve finds the hosts that a request names by its Hosts, Selector and All, or
// by RetryOf and Outcomes, and freezes the list; the rest of the request is not
// looked at. Nothing changes by it, so it is repeated for up to 5 s while the
// servers cannot be reached.
//
// The error has code Invalid if a host does not exist, the selector cannot be
// read, or nothing matches, and NotFound if there is no job that could be retried.
func (c *Client) Resolve(ctx context.Context, r Request) (*Targets, error) {
	for _, h := range r.Hosts {
		if err := readable("host", h); err != nil {
			return nil, err
		}
	}
	if err := readable("selector", r.Selector, "job id", r.RetryOf); err != nil {
		return nil, err
	}
	outcomes, err := statesOf(r.Outcomes)
	if err != nil {
		return nil, err
	}
	query := &accessv1.TargetQuery{Hosts: r.Hosts, Selector: r.Selector, All: r.All, ParentJobId: r.RetryOf, Outcomes: outcomes}
	var out *Targets
	err = retry(ctx, readFor, func() (err error) {
		out, err = c.resolveOnce(ctx, query)
		return err
	})
	return out, err
}

func (c *Client) resolveOnce(ctx context.Context, query *accessv1.TargetQuery) (*Targets, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.access.ResolveTargets(ctx, &accessv1.ResolveTargetsRequest{Query: query})
	if err != nil {
		return nil, failed(err)
	}
	var resolved *accessv1.Resolution
	var builder job.TargetsBuilder
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, failed(err)
		}
		if resolved == nil {
			resolved = msg.GetResolution()
		}
		if err := wire.AddTargets(&builder, msg.GetRooms()); err != nil {
			return nil, &Error{Code: Internal, Message: "the servers sent a target list that is not one: " + err.Error()}
		}
	}
	return finish(&builder, resolved)
}

func finish(builder *job.TargetsBuilder, resolved *accessv1.Resolution) (*Targets, error) {
	list, err := builder.Build()
	if err != nil {
		return nil, &Error{Code: Internal, Message: "the servers sent a target list that is not one: " + err.Error()}
	}
	if uint64(list.Len()) != resolved.GetCount() {
		return nil, &Error{Code: Unavailable, Message: "the target list ended early: resolve again"}
	}
	return &Targets{list: list, resolved: resolved}, nil
}

// chunks sends the list in messages of their size.
func (t *Targets) chunks(send func([]*typesv1.RoomTargets) error) error {
	for first := 0; first < t.list.Len(); first += wire.TargetsPerMessage {
		count := min(wire.TargetsPerMessage, t.list.Len()-first)
		if err := send(wire.TargetsToProto(t.list, first, count)); err != nil {
			return err
		}
	}
	return nil
}
