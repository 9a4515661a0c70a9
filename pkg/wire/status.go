package wire

import (
	"fmt"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// StatusToProto is the wire form of an observation.
func StatusToProto(r task.Report) *typesv1.TaskStatus {
	return &typesv1.TaskStatus{
		Attempt: r.Attempt, State: typesv1.TaskState(r.State), Reason: typesv1.Reason(r.Exit.Reason),
		ExitCode: r.Exit.Code, Signal: r.Exit.Signal,
	}
}

// StatusFromProto reads an observation that can be made; the error wraps
// ErrMessage.
func StatusFromProto(s *typesv1.TaskStatus) (task.Report, error) {
	const most = 1<<16 - 1 // what State and Reason can hold
	if s.GetState() < 0 || s.GetState() > most || s.GetReason() < 0 || s.GetReason() > most {
		return task.Report{}, fmt.Errorf("%w: task status with state %d and reason %d", ErrMessage, s.GetState(), s.GetReason())
	}
	r := task.Report{
		Attempt: s.GetAttempt(), State: task.State(s.GetState()), //nolint:gosec // bounded above
		Exit: task.Exit{Reason: task.Reason(s.GetReason()), Code: s.GetExitCode(), Signal: s.GetSignal()}, //nolint:gosec // bounded above
	}
	if !r.Valid() {
		return task.Report{}, fmt.Errorf("%w: no host can say attempt %d, %s, reason %q, exit code %d, signal %d",
			ErrMessage, r.Attempt, r.State, r.Exit.Reason, r.Exit.Code, r.Exit.Signal)
	}
	return r, nil
}

// OutputsToProto is the wire form of what was kept of a task's outputs.
func OutputsToProto(refs []job.OutputRef) []*typesv1.OutputRef {
	out := make([]*typesv1.OutputRef, 0, len(refs))
	for _, ref := range refs {
		o := &typesv1.OutputRef{Stream: typesv1.Stream(ref.Stream), Size: ref.Size, Cut: ref.Cut, Tail: ref.Tail}
		if ref.Digest != [32]byte{} {
			o.Digest = ref.Digest[:]
		}
		out = append(out, o)
	}
	return out
}

// OutputsFromProto reads at most one reference to each stream; the error wraps
// ErrMessage.
func OutputsFromProto(refs []*typesv1.OutputRef) ([]job.OutputRef, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	out := make([]job.OutputRef, 0, len(refs))
	seen := map[typesv1.Stream]bool{}
	for _, o := range refs {
		stream := o.GetStream()
		if stream != typesv1.Stream_STREAM_STDOUT && stream != typesv1.Stream_STREAM_STDERR || seen[stream] {
			return nil, fmt.Errorf("%w: output reference to stream %d, or to one twice", ErrMessage, stream)
		}
		seen[stream] = true
		ref := job.OutputRef{Stream: job.Stream(stream), Size: o.GetSize(), Cut: o.GetCut(), Tail: o.GetTail()} //nolint:gosec // one of two
		if ref.Tail > ref.Size || ref.Tail > 0 && ref.Cut == 0 {
			return nil, fmt.Errorf("%w: of %d bytes of output %d come after a cut of %d", ErrMessage, ref.Size, ref.Tail, ref.Cut)
		}
		if len(o.GetDigest()) > 0 {
			digest, err := Digest(o.GetDigest())
			if err != nil {
				return nil, err
			}
			ref.Digest = digest
		}
		out = append(out, ref)
	}
	return out, nil
}
