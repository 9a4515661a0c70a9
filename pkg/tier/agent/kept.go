package agent

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

// KeptBundle reads the bundle that an agent keeps in its state directory, beside
// that agent; the zero bundle, which is stale, if it keeps none.
func KeptBundle(dir string, operator ed25519.PublicKey) (policy.Bundle, error) {
	text, err := os.ReadFile(filepath.Join(dir, bundleName)) //nolint:gosec // the operator names the directory
	if errors.Is(err, fs.ErrNotExist) {
		return policy.Bundle{}, nil
	}
	if err != nil {
		return policy.Bundle{}, err
	}
	envelope, err := capsule.ParseEnvelope(text)
	if err != nil {
		return policy.Bundle{}, err
	}
	return policy.OpenBundle(envelope, operator)
}

// CertificateFile is where the certificate of the host is, or will be.
func (c Config) CertificateFile() string {
	if c.TLS.Cert != "" {
		return c.TLS.Cert
	}
	return filepath.Join(c.StateDir, certFile)
}
