package wire

import (
	"crypto/sha256"
	"fmt"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// Limits of outputs on the way up.
const (
	MaxInline = 4 << 10   // bytes of a blob that rides with a report
	MaxBlob   = 16 << 20  // bytes of any blob
	BlobPiece = 32 << 10  // bytes of a piece on the session
	MeshPiece = 256 << 10 // bytes of a piece on the mesh
)

// BlobToProto is content with its name.
func BlobToProto(content []byte) *typesv1.Blob {
	digest := sha256.Sum256(content)
	return &typesv1.Blob{Digest: digest[:], Content: content}
}

// BlobFromProto reads a small blob and checks its content against its name. It
// shares the bytes. The error wraps ErrMessage.
func BlobFromProto(b *typesv1.Blob) (digest [32]byte, content []byte, err error) {
	if digest, err = Digest(b.GetDigest()); err != nil {
		return digest, nil, err
	}
	if n := len(b.GetContent()); n > MaxInline {
		return digest, nil, fmt.Errorf("%w: a blob of %d bytes rides with a report, at most %d may", ErrMessage, n, MaxInline)
	}
	if sha256.Sum256(b.GetContent()) != digest {
		return digest, nil, fmt.Errorf("%w: the content of blob %x is not what its name says", ErrMessage, digest[:4])
	}
	return digest, b.GetContent(), nil
}
