package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Backdate is how far in the past a certificate begins, for hosts whose clocks
// are late.
const Backdate = 5 * time.Minute

// CA signs certificates of one trust domain with an Ed25519 key. It is safe for
// concurrent use.
type CA struct {
	domain string
	cert   *x509.Certificate
	key    ed25519.PrivateKey
}

// NewCA makes a CA with a new key, good for ttl from now.
func NewCA(domain string, ttl time.Duration, now time.Time) (*CA, error) {
	td, err := spiffeid.TrustDomainFromString(domain)
	if err != nil || td.Name() != domain {
		return nil, fmt.Errorf("cannot make CA: %w: trust domain %q must be like demo.ccs", ErrBadID, domain)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("cannot make CA: its life %v must be positive", ttl)
	}
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "CCS CA of " + domain},
		URIs:      []*url.URL{{Scheme: "spiffe", Host: domain}},
		NotBefore: now.Add(-Backdate), NotAfter: now.Add(ttl),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cannot make CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot make CA: %w", err)
	}
	return &CA{domain, cert, key}, nil
}

// LoadCA reads a CA that Save wrote.
func LoadCA(certFile, keyFile string) (*CA, error) {
	certPEM, err1 := os.ReadFile(certFile)
	keyPEM, err2 := os.ReadFile(keyFile)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("cannot load CA: %w", err)
	}
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("cannot load CA: %s has no PEM block CERTIFICATE", certFile)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot load CA: %s: %w", certFile, err)
	}
	key, err := DecodeKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("cannot load CA: %s: %w", keyFile, err)
	}
	if !key.Public().(ed25519.PublicKey).Equal(cert.PublicKey) {
		return nil, fmt.Errorf("cannot load CA: %s and %s do not belong together", certFile, keyFile)
	}
	if !cert.IsCA || len(cert.URIs) != 1 || cert.URIs[0].Scheme != "spiffe" {
		return nil, fmt.Errorf("cannot load CA: %s is not the certificate of a CA of this system", certFile)
	}
	return &CA{cert.URIs[0].Host, cert, key}, nil
}

// Save writes the CA; its key is for its owner alone.
func (ca *CA) Save(certFile, keyFile string) error {
	key, err := EncodeKey(ca.key)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(keyFile, key, 0o600), writeFile(certFile, ca.PEM(), 0o644))
}

// Domain is the trust domain.
func (ca *CA) Domain() string { return ca.domain }

// PEM is the CA's certificate.
func (ca *CA) PEM() []byte { return encodeCert(ca.cert.Raw) }

// Request says what to certify.
type Request struct {
	ID  ID                // of the CA's domain
	Key ed25519.PublicKey // of who will be it
	TTL time.Duration     // cut at the end of the CA's own life
	IPs []net.IP          // for clients that are not ours; our own look at the id
	DNS []string          // likewise
}

// Issue signs a certificate and returns it in PEM. Only roles that serve get one
// that is good for a server. It does not ask who wants it: that is decided
// before, by a join token or an operator.
func (ca *CA) Issue(r Request, now time.Time) ([]byte, error) {
	if err := r.ID.Validate(); err != nil {
		return nil, fmt.Errorf("cannot issue certificate: %w", err)
	}
	switch {
	case r.ID.Domain != ca.domain:
		return nil, fmt.Errorf("cannot issue certificate for %s: this is the CA of %s", r.ID, ca.domain)
	case len(r.Key) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("cannot issue certificate for %s: its key has %d bytes, not %d", r.ID, len(r.Key), ed25519.PublicKeySize)
	case r.TTL <= 0:
		return nil, fmt.Errorf("cannot issue certificate for %s: its life %v must be positive", r.ID, r.TTL)
	case !now.Before(ca.cert.NotAfter):
		return nil, fmt.Errorf("cannot issue certificate for %s: the CA expired at %s; make a new one", r.ID, ca.cert.NotAfter.Format(time.RFC3339))
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if r.ID.Role.serves() {
		usage = append(usage, x509.ExtKeyUsageServerAuth)
	}
	end := now.Add(r.TTL)
	if end.After(ca.cert.NotAfter) {
		end = ca.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName(r.ID)}, URIs: []*url.URL{r.ID.url()},
		IPAddresses: r.IPs, DNSNames: r.DNS,
		NotBefore: now.Add(-Backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usage, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, r.Key, ca.key)
	if err != nil {
		return nil, fmt.Errorf("cannot issue certificate for %s: %w", r.ID, err)
	}
	return encodeCert(der), nil
}

// IssueWithKey makes a key and certifies it: for processes of a cluster whose
// files one hand writes. Request.Key is not looked at.
func (ca *CA) IssueWithKey(r Request, now time.Time) (Credential, error) {
	key, err := NewKey()
	if err != nil {
		return Credential{}, err
	}
	return ca.IssueForKey(r, key, now)
}

// IssueForKey is IssueWithKey for a key that there is already, such as the one
// that a user signs jobs with.
func (ca *CA) IssueForKey(r Request, key ed25519.PrivateKey, now time.Time) (Credential, error) {
	r.Key, _ = key.Public().(ed25519.PublicKey)
	cert, err := ca.Issue(r, now)
	if err != nil {
		return Credential{}, err
	}
	keyPEM, err := EncodeKey(key)
	if err != nil {
		return Credential{}, err
	}
	return Credential{CertPEM: cert, KeyPEM: keyPEM, CAPEM: ca.PEM()}, nil
}

// commonName is for people who look at a certificate; X.509 allows 64 bytes.
func commonName(id ID) string {
	name := string(id.Role) + " " + id.Name
	return name[:min(len(name), 64)]
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil // never 0
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
