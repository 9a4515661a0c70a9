package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of what viewers cost. Those of one user have half of each.
const (
	maxWatches    = 10_000           // watches of jobs
	maxReading    = 256 << 20        // bytes of outputs and target lists that are held for who reads them
	bytesOfTarget = 40               // in a list, about
	pieceOfOutput = 256 << 10        // bytes in one message
	viewerTimeout = 30 * time.Second // for one message to be taken
)

// Why a viewer has to come again.
var (
	errManyWatches = errors.New("too many jobs are being watched at this scheduler, or by you; end some, or ask for the job now and then")
	errManyReading = errors.New("too many outputs are being read at this scheduler, or by you; read those to their end")
	errNotTaken    = fmt.Errorf("what was sent was not taken for %s; go on from what has come", viewerTimeout)
)

// deliver sends one message to a viewer. One who does not take it in time is
// sent away: what is held for him is wanted by others. The send itself ends with
// the call, which running waits for.
func (s *Scheduler) deliver(send func() error) error {
	sent := make(chan error, 1)
	s.receivers.Go(func() { sent <- send() })
	patience := time.NewTimer(viewerTimeout)
	defer patience.Stop()
	select {
	case err := <-sent:
		return err
	case <-patience.C:
		return busy(errNotTaken)
	}
}

// holding is bytes that are held for one viewer.
type holding struct {
	of    *allowance
	user  string
	bytes int64
}

// hold waits for room to hold so many bytes for a viewer; leave it.
func (s *Scheduler) hold(ctx context.Context, user string, bytes int64) (*holding, error) {
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	err := s.reading.take(ctx, user, bytes)
	if errors.Is(err, errSlow) {
		return nil, busy(errManyReading)
	}
	return &holding{s.reading, user, bytes}, err
}

// shrink gives back what is not needed.
func (h *holding) shrink(bytes int64) {
	h.of.giveBack(h.user, h.bytes-bytes)
	h.bytes = bytes
}

func (h *holding) leave() { h.of.giveBack(h.user, h.bytes) }

// GetOutput streams an output from the store, as any scheduler can.
func (s *Scheduler) GetOutput(req *schedulerv1.GetOutputRequest, out grpc.ServerStreamingServer[schedulerv1.GetOutputResponse]) error {
	id, err := parseID(req.GetRequest().GetJobId())
	if err != nil {
		return err
	}
	digest, err := wire.Digest(req.GetRequest().GetDigest())
	if err != nil {
		return err
	}
	held, err := s.hold(out.Context(), req.GetCaller().GetUser(), maxOutput)
	if err != nil {
		return err
	}
	defer held.leave()
	content, err := s.store.Output(out.Context(), id, digest)
	if errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrPurged) {
		return fmt.Errorf("job %s has no output with the digest %x: %w; read the digest from its tasks", id, digest, err)
	}
	if err != nil {
		return err
	}
	held.shrink(int64(len(content)))
	for piece := range slices.Chunk(content, pieceOfOutput) {
		err := s.deliver(func() error {
			return out.Send(&schedulerv1.GetOutputResponse{Response: &accessv1.GetOutputResponse{Content: piece}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
