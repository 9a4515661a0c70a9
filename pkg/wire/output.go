package wire

import (
	"fmt"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// View is somebody who wants to see an output of a host.
type View struct {
	ID      uint64 // at the aggregator
	Job     job.ID
	Attempt uint32
	Stream  job.Stream
	Offset  uint64 // first byte, in what the command wrote
	Follow  bool   // until the attempt has ended; else what there is now
}

// ViewToProto is the wire form of a view.
func ViewToProto(v View) *sessionv1.View {
	return &sessionv1.View{
		ViewId: v.ID, JobId: v.Job[:], Attempt: v.Attempt, Stream: typesv1.Stream(v.Stream), Offset: v.Offset, Follow: v.Follow,
	}
}

// ViewFromProto reads a view; the error wraps ErrMessage.
func ViewFromProto(v *sessionv1.View) (View, error) {
	id, err := JobID(v.GetJobId())
	if err != nil {
		return View{}, err
	}
	stream, err := StreamFromProto(v.GetStream())
	if err == nil && (v.GetViewId() == 0 || v.GetAttempt() == 0) {
		err = fmt.Errorf("%w: view %d of attempt %d: both count from 1", ErrMessage, v.GetViewId(), v.GetAttempt())
	}
	return View{ID: v.GetViewId(), Job: id, Attempt: v.GetAttempt(), Stream: stream, Offset: v.GetOffset(), Follow: v.GetFollow()}, err
}

// StreamFromProto reads which output is meant; the error wraps ErrMessage.
func StreamFromProto(s typesv1.Stream) (job.Stream, error) {
	if s != typesv1.Stream_STREAM_STDOUT && s != typesv1.Stream_STREAM_STDERR {
		return 0, fmt.Errorf("%w: output %d; give stdout (1) or stderr (2)", ErrMessage, s)
	}
	return job.Stream(s), nil
}

// OutputPiece is bytes of an output on their way to who follows it, or its end.
type OutputPiece struct {
	Offset  uint64 // of the first byte, in what the command wrote
	Content []byte
	End     bool   // nothing comes after it; it has no content
	Total   uint64 // with the end: bytes that the command wrote, as far as is known
	Ended   bool   // with the end: the attempt has ended
}

// Next is the offset after the piece.
func (p OutputPiece) Next() uint64 { return p.Offset + uint64(len(p.Content)) }

// PieceToProto is the wire form of a piece.
func PieceToProto(p OutputPiece) *typesv1.OutputPiece {
	if p.End {
		return &typesv1.OutputPiece{End: &typesv1.OutputEnd{Total: p.Total, Ended: p.Ended}}
	}
	return &typesv1.OutputPiece{Offset: p.Offset, Content: p.Content}
}

// PieceFromProto reads the piece that comes where the offset next was reached.
// It shares the bytes. The error wraps ErrMessage: output never goes back.
func PieceFromProto(p *typesv1.OutputPiece, next uint64) (OutputPiece, error) {
	if end := p.GetEnd(); end != nil {
		return OutputPiece{Offset: next, End: true, Total: end.GetTotal(), Ended: end.GetEnded()}, nil
	}
	at := p.GetOffset()
	if at == 0 {
		at = next
	}
	if at < next || at+uint64(len(p.GetContent())) < at {
		return OutputPiece{}, fmt.Errorf("%w: %d bytes of output at offset %d come after offset %d", ErrMessage, len(p.GetContent()), at, next)
	}
	return OutputPiece{Offset: at, Content: p.GetContent()}, nil
}
