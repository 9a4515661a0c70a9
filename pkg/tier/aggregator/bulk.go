package aggregator

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// PutBlob takes output that is too large for a report. When there is no room it
// grants nothing until there is: that is the back-pressure of outputs.
func (s *sessions) PutBlob(in grpc.BidiStreamingServer[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse]) error {
	return wire.StatusError(s.hub.putBlob(in))
}

func (h *hub) putBlob(in grpc.BidiStreamingServer[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse]) error {
	id, err := identity.Peer(in.Context())
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrDenied, err)
	}
	guard := newGuard(in.Context(), h.cfg.SendTimeout)
	var first *sessionv1.PutBlobRequest
	if err := guard.during(func() (err error) { first, err = in.Recv(); return err }); err != nil {
		return err
	}
	digest, err := wire.Digest(first.GetDigest())
	if err != nil {
		return err
	}
	if first.GetSize() == 0 || first.GetSize() > wire.MaxBlob || len(first.GetContent()) > 0 {
		return fmt.Errorf("%w: the upload of %d bytes begins with %d of them; announce 1 to %d bytes and wait for credit",
			wire.ErrMessage, first.GetSize(), len(first.GetContent()), wire.MaxBlob)
	}
	up, here, err := h.beginUpload(fleet.HostID(id.Name), digest, first)
	if err != nil {
		return err
	}
	defer h.endUpload(up)
	if here {
		return in.Send(&sessionv1.PutBlobResponse{Have: true})
	}
	if err := h.room(in, up); err != nil {
		return err
	}
	content, err := receiveBlob(in, guard, digest, up.size)
	h.uploaded(up, digest, content)
	if err != nil {
		return err
	}
	return in.Send(&sessionv1.PutBlobResponse{Have: true})
}

// receiveBlob grants one piece after the other, below the connection's window.
func receiveBlob(in grpc.BidiStreamingServer[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse], guard *guard, digest [32]byte, size int64) ([]byte, error) {
	content := make([]byte, 0, size)
	granted := int64(0)
	for int64(len(content)) < size {
		if more := min(size-granted, wire.BlobPiece-(granted-int64(len(content)))); more > 0 {
			granted += more
			if err := in.Send(&sessionv1.PutBlobResponse{More: uint32(more)}); err != nil {
				return nil, err
			}
		}
		var piece *sessionv1.PutBlobRequest
		err := guard.during(func() (err error) { piece, err = in.Recv(); return err })
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: the upload ended after %d of %d bytes", wire.ErrMessage, len(content), size)
		}
		if err != nil {
			return nil, err
		}
		if n := int64(len(piece.GetContent())); n == 0 || int64(len(content))+n > granted {
			return nil, fmt.Errorf("%w: a piece of %d bytes, %d were granted", wire.ErrMessage, n, granted-int64(len(content)))
		}
		content = append(content, piece.GetContent()...)
	}
	if sha256.Sum256(content) != digest {
		return nil, fmt.Errorf("%w: the content of blob %x is not what its name says", wire.ErrMessage, digest[:4])
	}
	return content, nil
}

// FetchBlob gives a scheduler output that a report names.
func (m *mesh) FetchBlob(req *meshv1.FetchBlobRequest, out grpc.ServerStreamingServer[meshv1.FetchBlobResponse]) error {
	digest, err := wire.Digest(req.GetDigest())
	if err != nil {
		return wire.StatusError(err)
	}
	m.hub.mu.Lock()
	known := m.hub.blobs.by[digest]
	m.hub.mu.Unlock()
	if known == nil {
		return wire.StatusError(fmt.Errorf("%w: blob %x is not held here", wire.ErrNotFound, digest[:4]))
	}
	for content := known.content; len(content) > 0; {
		n := min(len(content), wire.MeshPiece)
		if err := out.Send(&meshv1.FetchBlobResponse{Content: content[:n]}); err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

// FetchCapsule gives a host a large capsule of which it has a release.
func (s *sessions) FetchCapsule(req *sessionv1.FetchCapsuleRequest, out grpc.ServerStreamingServer[sessionv1.FetchCapsuleResponse]) error {
	id, err := identity.Peer(out.Context())
	if err != nil {
		return wire.StatusError(fmt.Errorf("%w: %w", wire.ErrDenied, err))
	}
	digest, err := wire.Digest(req.GetDigest())
	if err != nil {
		return wire.StatusError(err)
	}
	envelope := s.hub.capsuleFor(fleet.HostID(id.Name), digest)
	if envelope == nil {
		return wire.StatusError(fmt.Errorf("%w: no release with capsule %x is on its way to host %s", wire.ErrNotFound, digest[:4], id.Name))
	}
	guard := newGuard(out.Context(), s.cfg.SendTimeout)
	head := &typesv1.Envelope{PayloadType: envelope.GetPayloadType(), Signatures: envelope.GetSignatures()}
	for content := envelope.GetPayload(); len(content) > 0; head = nil {
		n := min(len(content), wire.BlobPiece)
		piece := &sessionv1.FetchCapsuleResponse{Envelope: head, Payload: content[:n]}
		if err := guard.during(func() error { return out.Send(piece) }); err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

func (h *hub) capsuleFor(id fleet.HostID, digest [32]byte) *typesv1.Envelope {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.capsules[digest]
	if j == nil || h.hosts[id] == nil || h.hosts[id].tasks[j.id] == nil {
		return nil
	}
	return j.capsule
}
