package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Enrolment is how a user gets a certificate: from the issuer, for a key that
// the user has made, with a join token that an operator has given for this name.
type Enrolment struct {
	Issuer   string // host:port
	Domain   string // trust domain, such as demo.ccs
	User     string
	Token    string // secret
	KeyFile  string // the user's Ed25519 private key, PEM; must be there
	CAFile   string // certificates of the CA, PEM; must be there, and is written anew
	CertFile string // is written
}

// Enrol asks the issuer for the user's certificate and writes it. The same
// again, with the same key, gets another certificate for the same user. It is
// tried once: nothing is written before the issuer has answered.
//
// Codes: Invalid if a file cannot be used, Denied if the token is not for this
// user, or no longer, Unavailable if the issuer cannot be reached, Untrusted if it
// is not one of this domain, Internal if the certificate cannot be written.
func Enrol(ctx context.Context, e Enrolment) error {
	if err := readable("user", e.User); err != nil {
		return err
	}
	if !utf8.ValidString(e.Token) {
		return invalid("the join token is not UTF-8: copy it again") // it is secret, and not shown
	}
	key, err := readKey(e.KeyFile)
	if err != nil {
		return invalid("cannot enrol %s: %v", e.User, err)
	}
	ca, err := os.ReadFile(e.CAFile)
	if err != nil {
		return invalid("cannot enrol %s: %v", e.User, err)
	}
	csr, err1 := identity.NewCSR(key)
	text, err2 := identity.EncodeKey(key)
	tlsConfig, err3 := identity.ClientTLSNoCert(ca, e.Domain, identity.Issuer)
	if err := errors.Join(err1, err2, err3); err != nil {
		return invalid("cannot enrol %s: %v", e.User, err)
	}
	conn, err := grpc.NewClient("passthrough:///"+e.Issuer, grpc.WithTransportCredentials(credentials.NewTLS(tlsConfig)))
	if err != nil {
		return invalid("cannot reach the issuer at %s: %v", e.Issuer, err)
	}
	defer func() { _ = conn.Close() }()
	resp, err := enrolv1.NewEnrolServiceClient(conn).EnrolUser(ctx, &enrolv1.EnrolUserRequest{JoinToken: e.Token, Csr: csr, User: e.User})
	if err != nil {
		return failed(err)
	}
	got := identity.Credential{CertPEM: resp.GetCertificatePem(), KeyPEM: text, CAPEM: resp.GetCaPem()}
	if err := got.Save(identity.Files{Cert: e.CertFile, Key: e.KeyFile, CA: e.CAFile}); err != nil {
		return &Error{Code: Internal, Message: fmt.Sprintf("cannot keep the certificate of %s: %v", e.User, err)}
	}
	return nil
}
