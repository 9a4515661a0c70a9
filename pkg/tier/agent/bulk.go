package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// upload gives the aggregator an output, within its credit.
func (c collector) upload(ctx context.Context, o job.OutputRef) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.session.api.PutBlob(ctx)
	if err != nil {
		return err
	}
	u := uploader{stream: stream}
	if err := u.send(&sessionv1.PutBlobRequest{Digest: o.Digest[:], Size: o.Size, Class: c.class}); err != nil {
		return err
	}
	if err := u.wait(); err != nil {
		return err
	}
	if u.have {
		return nil
	}
	if err := c.fetch(ctx, o, u.put); err != nil && !u.have {
		return err
	}
	for !u.have {
		if err := u.wait(); err != nil {
			return err
		}
	}
	return nil
}

// uploader is one upload under way.
type uploader struct {
	stream grpc.BidiStreamingClient[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse]
	credit uint32
	have   bool // the aggregator has the whole
}

// wait takes one answer.
func (u *uploader) wait() error {
	r, err := u.stream.Recv()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the upload was ended before its answer", wire.ErrUnavailable)
	}
	u.credit += r.GetMore()
	u.have = u.have || r.GetHave()
	return err
}

// errHave ends the fetching of what is not needed any more.
var errHave = errors.New("the aggregator has it already")

// put sends bytes as credit comes.
func (u *uploader) put(piece []byte) error {
	for len(piece) > 0 {
		for u.credit == 0 {
			if err := u.wait(); err != nil {
				return err
			}
			if u.have {
				return errHave
			}
		}
		n := min(len(piece), int(u.credit), wire.BlobPiece)
		if err := u.send(&sessionv1.PutBlobRequest{Content: piece[:n]}); err != nil {
			return err
		}
		piece, u.credit = piece[n:], u.credit-uint32(n)
	}
	return nil
}

// send: if the stream is over, its end says why.
func (u *uploader) send(m *sessionv1.PutBlobRequest) error {
	err := u.stream.Send(m)
	if errors.Is(err, io.EOF) {
		for err = nil; err == nil; {
			_, err = u.stream.Recv()
		}
	}
	return err
}

// fetch gets the capsule of a command that was only named, beside the loop.
func (a *Agent) fetch(e *entry) {
	s := a.session
	if e.fetching || s == nil {
		return
	}
	e.fetching = true
	digest := e.asked.Digest
	a.work.Go(func() {
		envelope, err := fetchCapsule(s.stream.Context(), s.api, digest)
		a.post(func(ctx context.Context) {
			if a.tasks[e.id] == e && a.session == s && e.fetching {
				e.fetching = false
				a.fetched(ctx, e, envelope, err)
			}
		})
	})
}

// fetched goes on with the capsule. Without one there is nothing to verify: the
// command is as if it had never come, and its owner asks for it when it misses
// the answer.
func (a *Agent) fetched(ctx context.Context, e *entry, envelope capsule.Envelope, err error) {
	switch {
	case err == nil:
		e.asked.Capsule = &envelope
		a.drive(ctx, e)
	case status.Code(err) == codes.Unavailable || status.Code(err) == codes.ResourceExhausted:
		a.retryLater(e)
	default:
		a.log.ErrorContext(ctx, "capsule of a command cannot be had; the command is left out", slog.String("job", e.id.String()), slog.Any("error", err))
		a.acknowledge(e)
		e.clearHandover()
		if e.seen.Attempt == 0 {
			a.drop(e)
		}
	}
}

// fetchCapsule reads a capsule and checks that it is the one that was named.
func fetchCapsule(ctx context.Context, api sessionv1.SessionServiceClient, digest capsule.Hash) (capsule.Envelope, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := api.FetchCapsule(ctx, &sessionv1.FetchCapsuleRequest{Digest: digest[:]})
	if err != nil {
		return capsule.Envelope{}, err
	}
	var envelope capsule.Envelope
	for first := true; ; first = false {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			if envelope.Digest() != digest {
				return capsule.Envelope{}, fmt.Errorf("%w: the capsule that came is not the one that was named", wire.ErrMessage)
			}
			return envelope, nil
		case err != nil:
			return capsule.Envelope{}, err
		case first:
			envelope = wire.EnvelopeFromProto(m.GetEnvelope())
			envelope.Payload = nil
		}
		if envelope.Payload = append(envelope.Payload, m.GetPayload()...); len(envelope.Payload) > capsule.MaxPayload {
			return capsule.Envelope{}, fmt.Errorf("%w: the capsule is longer than %d bytes", wire.ErrMessage, capsule.MaxPayload)
		}
	}
}
