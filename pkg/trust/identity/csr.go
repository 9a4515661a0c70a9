package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
)

// ErrBadCSR says that a request for a certificate cannot be honoured.
var ErrBadCSR = errors.New("bad certificate request")

// maxCSR is far above what a request with an Ed25519 key needs, in bytes.
const maxCSR = 8 << 10

// NewCSR is a PKCS #10 request in DER that proves possession of the key. It
// names nobody: who the key belongs to is said by the join token that goes with it.
func NewCSR(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("cannot make certificate request: %w", err)
	}
	return der, nil
}

// CSRKey is the key of a request whose signature holds. Names that the request
// asks for are not looked at. The error wraps ErrBadCSR.
func CSRKey(der []byte) (ed25519.PublicKey, error) {
	if len(der) > maxCSR {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrBadCSR, len(der), maxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadCSR, err)
	}
	key, ok := csr.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: its key is of type %s; make an Ed25519 key", ErrBadCSR, csr.PublicKeyAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: it is not signed by its own key: %w", ErrBadCSR, err)
	}
	return key, nil
}
