package mesh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// send queues what is owed, if a stream is open.
func (l *link) send(p *Payload, s job.Send, traces Traces) {
	l.with(func(q *queue) {
		q.add(p, s)
		q.trace(p, traces)
	})
}

// connTo is the connection of the stream to an aggregator; nil: none is open.
func (m *Mesh) connTo(via fleet.Via) *grpc.ClientConn {
	l := m.link(via)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// FetchBlob returns output that was too large for a report, checked against its
// digest. It wraps wire.ErrUnavailable where there is no stream, and
// wire.ErrNotFound where the aggregator has lost it: the host sends it again.
func (m *Mesh) FetchBlob(ctx context.Context, via fleet.Via, digest [32]byte, size uint64) ([]byte, error) {
	if size > maxBlob {
		return nil, fmt.Errorf("%w: output of %d bytes, at most %d are taken", wire.ErrTooMuch, size, maxBlob)
	}
	conn := m.connTo(via)
	if conn == nil {
		return nil, fmt.Errorf("%w: no stream to aggregator %s", wire.ErrUnavailable, via)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	blobs, err := meshv1.NewMeshServiceClient(conn).FetchBlob(ctx, &meshv1.FetchBlobRequest{Digest: digest[:]})
	if err != nil {
		return nil, err
	}
	content := make([]byte, 0, size)
	for {
		piece, err := blobs.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if content = append(content, piece.GetContent()...); uint64(len(content)) > size {
			return nil, fmt.Errorf("%w: aggregator %s sends more than the %d bytes of an output", wire.ErrMessage, via, size)
		}
	}
	if sha256.Sum256(content) != digest {
		return nil, fmt.Errorf("%w: aggregator %s sent other bytes than those of the digest", wire.ErrMessage, via)
	}
	return content, nil
}
