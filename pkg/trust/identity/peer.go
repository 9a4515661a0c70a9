package identity

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// ErrNoPeer says that a call did not come over mutual TLS.
var ErrNoPeer = errors.New("peer has no certificate")

// Peer is who made the gRPC call of ctx. The port's TLS configuration has
// already checked the certificate; without one the error is ErrNoPeer.
func Peer(ctx context.Context) (ID, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ID{}, fmt.Errorf("cannot say who is calling: %w", ErrNoPeer)
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return ID{}, fmt.Errorf("cannot say who is calling: %w", ErrNoPeer)
	}
	return certID(info.State.PeerCertificates[0])
}
