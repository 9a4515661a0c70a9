package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Names in the state directory of what the host is known by.
const (
	keyFile  = "host.key" // made here, and never leaves
	certFile = "host.crt"
	caFile   = "ca.crt" // that came with the certificate
)

// enrolTimeout is how long one enrolment may take; the issuer waits for the
// owner of the host table.
const enrolTimeout = 45 * time.Second

// Enrolment gets a host its certificate, once, and keeps it in the state
// directory.
type Enrolment struct {
	Config Config
	State  *FileState
	Log    *slog.Logger
	// Dial reaches the issuer; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Credential returns what the host is known by. If there is no certificate yet
// it asks the issuer for one, with the join token. It is what Deps.Enrol wants.
func (en Enrolment) Credential(ctx context.Context, incarnation fleet.Incarnation) (Credential, error) {
	files := en.files()
	_, err := os.Stat(files.Cert)
	if errors.Is(err, fs.ErrNotExist) && en.Config.TLS.Cert == "" {
		err = en.enrol(ctx, incarnation)
	}
	if err != nil {
		return Credential{}, err
	}
	source, err := identity.NewSource(files, en.Log)
	if err != nil {
		return Credential{}, err
	}
	if id := source.ID(); id.Role != identity.Host || id.Name != en.Config.Host || id.Domain != en.Config.Domain {
		return Credential{}, fmt.Errorf("certificate %s is of %s, and this is host %s of %s: give each agent a state_dir of its own", files.Cert, id, en.Config.Host, en.Config.Domain)
	}
	key, err := readKey(files.Key)
	if err != nil {
		return Credential{}, err
	}
	return Credential{TLS: source.ClientTLS(identity.Aggregator), Key: key, NotAfter: source.NotAfter}, nil
}

// files are those of the operator, or those that enrolment writes.
func (en Enrolment) files() identity.Files {
	if f := en.Config.TLS; f.Cert != "" {
		return f
	}
	f := identity.Files{Cert: en.State.Path(certFile), Key: en.State.Path(keyFile), CA: en.State.Path(caFile)}
	if ca := en.Config.TLS.CA; ca != "" {
		f.CA = ca
	}
	return f
}

// enrol asks the issuer. The key is on the disk first, so that a repeated
// enrolment is by the same key.
func (en Enrolment) enrol(ctx context.Context, incarnation fleet.Incarnation) error {
	key, err := en.key()
	if err != nil {
		return err
	}
	token, err := os.ReadFile(en.Config.JoinTokenFile)
	if err != nil {
		return fmt.Errorf("cannot enrol without a join token: %w", err)
	}
	csr, err := identity.NewCSR(key)
	if err != nil {
		return err
	}
	answer, err := en.ask(ctx, &enrolv1.EnrolHostRequest{
		JoinToken: strings.TrimSpace(string(token)), Csr: csr,
		HostId: en.Config.Host, Incarnation: incarnation[:], Address: en.Config.Address,
	})
	if err != nil {
		return fmt.Errorf("cannot enrol host %s at issuer %s: %w", en.Config.Host, en.Config.Issuer, err)
	}
	// The certificate goes last: without it the whole is done again.
	if err := en.State.Save(caFile, answer.GetCaPem(), true); err != nil {
		return err
	}
	if err := en.State.Save(certFile, answer.GetCertificatePem(), true); err != nil {
		return err
	}
	en.Log.InfoContext(ctx, "host is enrolled", slog.String("host", en.Config.Host), slog.String("room", answer.GetRoom()))
	return nil
}

// key is the host's own, made if there is none yet.
func (en Enrolment) key() (ed25519.PrivateKey, error) {
	key, err := readKey(en.State.Path(keyFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = identity.NewKey(); err != nil {
		return nil, err
	}
	text, err := identity.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, en.State.Save(keyFile, text, true)
}

func readKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a path of the configuration, or below the state directory
	if err != nil {
		return nil, err
	}
	key, err := identity.DecodeKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func (en Enrolment) ask(ctx context.Context, r *enrolv1.EnrolHostRequest) (*enrolv1.EnrolHostResponse, error) {
	ca, err := os.ReadFile(en.Config.IssuerCA)
	if err != nil {
		return nil, err
	}
	config, err := identity.ClientTLSNoCert(ca, en.Config.Domain, identity.Issuer)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithDisableServiceConfig()}
	if en.Dial != nil {
		options = append(options, grpc.WithContextDialer(en.Dial))
	}
	conn, err := grpc.NewClient("passthrough:///"+en.Config.Issuer, options...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	return enrolv1.NewEnrolServiceClient(conn).EnrolHost(ctx, r)
}
