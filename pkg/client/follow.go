package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// FollowQuery says which output is followed, and from where. The zero value is
// standard output from its beginning, until the command has ended.
type FollowQuery struct {
	Stderr  bool   // standard error instead
	Offset  uint64 // of the first byte, in what the command wrote; OutputPiece.Next, to go on
	Attempt int    // 0: the present one
	Now     bool   // only what there is now: nothing is waited for
}

// OutputPiece is bytes of an output, or why none come, or its end.
type OutputPiece struct {
	Offset  uint64 // of the first byte of Content, in what the command wrote
	Gap     uint64 // bytes just before Content that are not there any more
	Content []byte // nil with Waits and End
	Attempt int    // that wrote it; 0: it has not begun
	Waits   string // why nothing comes now: "start": the command has not begun; "host": its host is away, or cannot be asked; empty: it does not wait
	End     bool   // it is the last one
	Total   uint64 // with End: bytes that the command wrote, as far as is known; more than what came if Gap is not 0
	Ended   bool   // with End: the attempt has ended; else more may be written
}

// Next is the offset after the piece.
func (p OutputPiece) Next() uint64 { return p.Offset + uint64(len(p.Content)) }

// Follow yields an output of a host while the command writes it, until the
// command has ended and all that is kept was yielded; the last piece has End. It
// begins wherever the query says: an offset that the command has not come to is
// waited for.
//
// A command is never slowed by who follows it. Its host keeps the beginning and
// the end of each output, so that a caller who is slower than the command misses
// something: the next piece says how much, in Gap. What comes is not checked
// against the host's signature: see [Client.Output] for what is.
//
// When the connection is lost, or another scheduler takes over, it goes on at its
// offset. An error ends the sequence: NotFound if there is no such job, target or
// attempt, Invalid if the host or a server is of a version that cannot do this,
// Unavailable if nothing was heard for 30 s of trying, Canceled if ctx ends. While
// the host is away, or the command has not begun, it goes on waiting.
//
// The sequence may be ranged over again: it begins again at q.Offset.
func (c *Client) Follow(ctx context.Context, jobID, host string, q FollowQuery) iter.Seq2[OutputPiece, error] {
	return func(yield func(OutputPiece, error) bool) {
		err := errors.Join(readable("job id", jobID), readable("host", host))
		if err == nil && host == "" {
			err = invalid("no host is named: an output is followed of one host")
		}
		if err == nil && (q.Attempt < 0 || int(uint32(q.Attempt)) != q.Attempt) {
			err = invalid("there is no attempt %d: they count from 1", q.Attempt)
		}
		if err != nil {
			yield(OutputPiece{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		f := followed{client: c, yield: yield, req: &accessv1.FollowOutputRequest{
			JobId: jobID, HostId: host, Stream: typesv1.Stream_STREAM_STDOUT, Offset: q.Offset, Attempt: uint32(q.Attempt), Follow: !q.Now,
		}}
		if q.Stderr {
			f.req.Stream = typesv1.Stream_STREAM_STDERR
		}
		if err := follow(ctx, retryFor, func() (bool, error) { return f.stream(ctx) }); err != nil {
			yield(OutputPiece{}, err)
		}
	}
}

// followed is an output that is being followed. Its request says where it is.
type followed struct {
	client *Client
	req    *accessv1.FollowOutputRequest
	yield  func(OutputPiece, error) bool
}

// stream follows one connection to its end; without an error there is nothing
// more to come, or the caller wants no more.
func (f *followed) stream(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := f.client.access.FollowOutput(ctx, f.req)
	if err != nil {
		return false, failed(err)
	}
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return heard, &Error{Code: Unavailable, Message: "the output ended before its end"}
		}
		if err != nil {
			return heard, failed(err)
		}
		heard = true
		piece, err := f.piece(msg)
		if err != nil {
			return heard, err
		}
		if !f.yield(piece, nil) || piece.End {
			return heard, nil
		}
	}
}

// piece reads a message, and goes on to the offset after it.
func (f *followed) piece(msg *accessv1.FollowOutputResponse) (OutputPiece, error) {
	if f.req.GetAttempt() == 0 {
		f.req.Attempt = msg.GetAttempt() // another one is another output
	}
	next := f.req.GetOffset()
	p := OutputPiece{Offset: next, Attempt: int(msg.GetAttempt())}
	if wait := msg.GetWaitsFor(); wait != accessv1.OutputWait_OUTPUT_WAIT_UNSPECIFIED {
		p.Waits = strings.ToLower(word(wait.String(), "OUTPUT_WAIT_"))
		return p, nil
	}
	if end := msg.GetPiece().GetEnd(); end != nil {
		p.End, p.Total, p.Ended = true, end.GetTotal(), end.GetEnded()
		return p, nil
	}
	if p.Content = msg.GetPiece().GetContent(); msg.GetPiece().GetOffset() > 0 {
		p.Offset = msg.GetPiece().GetOffset()
	}
	if p.Offset < next || p.Next() < p.Offset {
		return p, corrupt("the servers sent output at offset %d after offset %d of job %s: report this", p.Offset, next, f.req.GetJobId())
	}
	p.Gap, f.req.Offset = p.Offset-next, p.Next()
	return p, nil
}
