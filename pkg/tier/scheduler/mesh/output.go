package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/wire"
)

// FollowOutput calls each with pieces of an output of a host that is attached to
// an aggregator, the last of which is the end. v.ID is not used. It is a call of
// its own beside the stream.
//
// It wraps wire.ErrUnavailable where the host cannot be asked now or breaks off,
// wire.ErrNotFound where it does not have the output, wire.ErrTooMuch where as
// many as can be are being sent, and wire.ErrInvalid where the aggregator or the
// host is of a version that cannot do this. What each says comes back as it is.
func (m *Mesh) FollowOutput(ctx context.Context, via fleet.Via, host fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error {
	conn := m.connTo(via)
	if conn == nil {
		return fmt.Errorf("%w: no stream to aggregator %s", wire.ErrUnavailable, via)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := meshv1.NewMeshServiceClient(conn).FollowOutput(ctx, &meshv1.FollowOutputRequest{
		HostId: string(host), JobId: v.Job[:], Attempt: v.Attempt, Stream: typesv1.Stream(v.Stream), Offset: v.Offset, Follow: v.Follow,
	})
	if err != nil {
		return followFault(via, err)
	}
	for next := v.Offset; ; {
		m, err := stream.Recv()
		if err != nil {
			return followFault(via, err)
		}
		piece, err := wire.PieceFromProto(m.GetPiece(), next)
		if err != nil {
			return fmt.Errorf("aggregator %s: %w", via, err)
		}
		if err := each(piece); err != nil || piece.End {
			return err
		}
		next = piece.Next()
	}
}

// followFault is what an aggregator means.
func followFault(via fleet.Via, err error) error {
	kind := wire.ErrUnavailable
	switch status.Code(err) {
	case codes.NotFound:
		kind = wire.ErrNotFound
	case codes.ResourceExhausted:
		kind = wire.ErrTooMuch
	case codes.Unimplemented:
		return fmt.Errorf("%w: aggregator %s is of a version that cannot pass on an output while it is written; upgrade it", wire.ErrInvalid, via)
	case codes.InvalidArgument, codes.FailedPrecondition:
		kind = wire.ErrInvalid
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: aggregator %s has ended the output before its end", kind, via)
	}
	return fmt.Errorf("%w: %s", kind, status.Convert(err).Message())
}
