package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// JobID reads the 16 bytes of a job id; the error wraps ErrMessage.
func JobID(b []byte) (job.ID, error) {
	id, err := job.IDFromBytes(b)
	if err != nil {
		return job.ID{}, fmt.Errorf("%w: job id: %w", ErrMessage, err)
	}
	return id, nil
}

// Incarnation reads the 16 bytes of an incarnation; the error wraps ErrMessage.
func Incarnation(b []byte) (fleet.Incarnation, error) {
	var inc fleet.Incarnation
	if len(b) != len(inc) {
		return inc, fmt.Errorf("%w: incarnation has %d bytes, not %d", ErrMessage, len(b), len(inc))
	}
	copy(inc[:], b)
	return inc, nil
}

// Digest reads the 32 bytes of a SHA-256; the error wraps ErrMessage.
func Digest(b []byte) ([32]byte, error) {
	var d [32]byte
	if len(b) != len(d) {
		return d, fmt.Errorf("%w: digest has %d bytes, not %d", ErrMessage, len(b), len(d))
	}
	copy(d[:], b)
	return d, nil
}

// EpochToProto is the wire form of an epoch.
func EpochToProto(e job.Epoch) *meshv1.Epoch {
	return &meshv1.Epoch{Generation: e.Generation, N: e.N}
}

// EpochFromProto reads an epoch; nil is the zero epoch.
func EpochFromProto(e *meshv1.Epoch) job.Epoch {
	return job.Epoch{Generation: e.GetGeneration(), N: e.GetN()}
}

// TimeToProto is the wire form of a time; the zero time is absent.
func TimeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// TimeFromProto reads a time; an absent or impossible one is the zero time.
func TimeFromProto(t *timestamppb.Timestamp) time.Time {
	if t == nil || t.CheckValid() != nil {
		return time.Time{}
	}
	return t.AsTime()
}

// DurationToProto is the wire form of a duration; zero is absent.
func DurationToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// DurationFromProto reads a duration; an absent or impossible one is zero.
func DurationFromProto(d *durationpb.Duration) time.Duration {
	if d == nil || d.CheckValid() != nil {
		return 0
	}
	return d.AsDuration()
}
