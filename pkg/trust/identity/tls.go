package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrRefused says that a peer is not one of those who belong here.
var ErrRefused = errors.New("peer refused")

// ServerTLS is the configuration of a port that admits these roles of the own
// trust domain, and nobody without a certificate.
//
// Sessions are not resumed: a resumed session stands on the certificate of an
// earlier handshake, and a peer that is revoked or renewed must be seen at
// once. A full handshake with Ed25519 certificates is little more.
func (s *Source) ServerTLS(admit ...Role) *tls.Config {
	c := s.server()
	c.ClientAuth = tls.RequireAnyClientCert // VerifyConnection does the verifying
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		m := s.current()
		return s.check(cs, m.roots, m.id.Domain, x509.ExtKeyUsageClientAuth, admit, nil)
	}
	return c
}

// ServerTLSNoClientCert is the configuration of the issuer's port: its callers
// have no certificate yet, and bring a join token.
func (s *Source) ServerTLSNoClientCert() *tls.Config { return s.server() }

func (s *Source) server() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &s.current().cert, nil
		},
	}
}

// ClientTLS is the configuration of a client that talks to one role of the own
// trust domain, and if names are given to one of these alone.
func (s *Source) ClientTLS(expect Role, names ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &s.current().cert, nil
		},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies the chain and the SPIFFE id; DNS names are not used
		VerifyConnection: func(cs tls.ConnectionState) error {
			m := s.current()
			return s.check(cs, m.roots, m.id.Domain, x509.ExtKeyUsageServerAuth, []Role{expect}, names)
		},
	}
}

// ClientTLSNoCert is the configuration of a client that has no certificate yet
// and knows the CA alone: an agent or a user that enrols at the issuer.
func ClientTLSNoCert(caPEM []byte, domain string, expect Role, names ...string) (*tls.Config, error) {
	roots, err := pool(caPEM)
	if err != nil {
		return nil, fmt.Errorf("cannot use CA: %w", err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies the chain and the SPIFFE id; DNS names are not used
		VerifyConnection: func(cs tls.ConnectionState) error {
			return checkPeer(cs.PeerCertificates, roots, domain, x509.ExtKeyUsageServerAuth, []Role{expect}, names)
		},
	}, nil
}

func (s *Source) check(cs tls.ConnectionState, roots *x509.CertPool, domain string, usage x509.ExtKeyUsage, admit []Role, names []string) error {
	if err := checkPeer(cs.PeerCertificates, roots, domain, usage, admit, names); err != nil {
		return s.refused(err)
	}
	return nil
}

// checkPeer is the one place that says who is let in.
func checkPeer(chain []*x509.Certificate, roots *x509.CertPool, domain string, usage x509.ExtKeyUsage, admit []Role, names []string) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: it has shown no certificate; admitted here: %s", ErrRefused, admitted(domain, admit, names))
	}
	id, idErr := certID(chain[0])
	who := id.String()
	if idErr != nil {
		who = fmt.Sprintf("certificate %x", chain[0].SerialNumber)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: time.Now()})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s claims its certificate, but: %w; admitted here: %s", ErrRefused, who, err, admitted(domain, admit, names))
	case idErr != nil:
		return fmt.Errorf("%w: %s: %w; admitted here: %s", ErrRefused, who, idErr, admitted(domain, admit, names))
	case id.Domain != domain, !slices.Contains(admit, id.Role), len(names) > 0 && !slices.Contains(names, id.Name):
		return fmt.Errorf("%w: it is %s; admitted here: %s", ErrRefused, who, admitted(domain, admit, names))
	}
	return nil
}

// admitted is such as "spiffe://demo.ccs/access,issuer/*".
func admitted(domain string, admit []Role, names []string) string {
	roles := make([]string, 0, len(admit))
	for _, r := range admit {
		roles = append(roles, string(r))
	}
	who := strings.Join(names, ",")
	if who == "" {
		who = "*"
	}
	return "spiffe://" + domain + "/" + strings.Join(roles, ",") + "/" + who
}
