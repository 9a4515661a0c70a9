package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files names the three PEM files of a process.
type Files struct {
	Cert string `mapstructure:"cert"` // own certificate chain, leaf first
	Key  string `mapstructure:"key"`  // own private key, PKCS #8
	CA   string `mapstructure:"ca"`   // certificates of the CA; more than one while it changes
}

// Validate lists every fault.
func (f Files) Validate() error {
	var faults []error
	for _, e := range []struct{ key, path, what string }{
		{"tls.cert", f.Cert, "the certificate"}, {"tls.key", f.Key, "its private key"}, {"tls.ca", f.CA, "the certificate of the CA"},
	} {
		if e.path == "" {
			faults = append(faults, fmt.Errorf("%s is not set: give the PEM file of %s", e.key, e.what))
		}
	}
	return errors.Join(faults...)
}

// Credential is what an identity needs to be one, in PEM.
type Credential struct {
	CertPEM []byte // chain, leaf first
	KeyPEM  []byte // PKCS #8; secret
	CAPEM   []byte
}

// Save replaces the three files, the key for its owner alone. Whenever it is cut
// off, by a crash or a full disk, the files are loaded as the old set or as the
// new one, never as half of each: see pending.
func (c Credential) Save(f Files) error {
	for _, step := range c.steps(f) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c Credential) steps(f Files) []func() error {
	return []func() error{
		func() error { return c.savePending(f) },
		func() error { return writeFile(f.CA, c.CAPEM, 0o644) },
		func() error { return writeFile(f.Key, c.KeyPEM, 0o600) },
		func() error { return writeFile(f.Cert, c.CertPEM, 0o644) },
		f.dropPending,
	}
}

// writeFile replaces a file in one step, so that no reader finds half of it.
func writeFile(path string, content []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, werr := tmp.Write(content)
	err = errors.Join(werr, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the first error is the one to tell
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// material is what the three files hold at one moment.
type material struct {
	id    ID
	cert  tls.Certificate
	roots *x509.CertPool
}

// load reads the files, and the pending set where they do not fit.
func (f Files) load() (*material, error) {
	m, err := f.loadSet()
	if err == nil {
		return m, nil
	}
	if c, ok := f.pending(); ok {
		if m, err := f.understand(c); err == nil {
			return m, nil
		}
	}
	return nil, err
}

func (f Files) loadSet() (*material, error) {
	var c Credential
	var err1, err2, err3 error
	c.CertPEM, err1 = os.ReadFile(f.Cert)
	c.KeyPEM, err2 = os.ReadFile(f.Key)
	c.CAPEM, err3 = os.ReadFile(f.CA)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return f.understand(c)
}

// understand checks that the three belong together. That the CA has signed the
// certificate is not asked: while the CA changes it need not be the new one's.
func (f Files) understand(c Credential) (*material, error) {
	cert, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", f.Cert, f.Key, err)
	}
	id, err := certID(cert.Leaf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Cert, err)
	}
	roots, err := pool(c.CAPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.CA, err)
	}
	return &material{id, cert, roots}, nil
}

func pool(caPEM []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(caPEM) {
		return nil, errors.New("no certificate of a CA in it")
	}
	return p, nil
}

// certID is the one SPIFFE id that a certificate names.
func certID(cert *x509.Certificate) (ID, error) {
	if len(cert.URIs) != 1 {
		return ID{}, fmt.Errorf("%w: the certificate names %d URIs, and must name one SPIFFE id", ErrBadID, len(cert.URIs))
	}
	return ParseID(cert.URIs[0].String())
}
