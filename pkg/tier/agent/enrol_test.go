package agent_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// issuer signs for whoever brings the token.
type issuer struct {
	enrolv1.UnimplementedEnrolServiceServer
	ca       *identity.CA
	listener *bufconn.Listener
	token    string
	as       string // the name that it certifies; empty: the one that is asked for
	asked    []*enrolv1.EnrolHostRequest
	keys     []ed25519.PublicKey
}

// EnrolHost implements the service.
func (i *issuer) EnrolHost(_ context.Context, r *enrolv1.EnrolHostRequest) (*enrolv1.EnrolHostResponse, error) {
	key, err := identity.CSRKey(r.GetCsr())
	if err != nil {
		return nil, err
	}
	i.asked, i.keys = append(i.asked, r), append(i.keys, key)
	if r.GetJoinToken() != i.token {
		return nil, status.Error(codes.PermissionDenied, "join token refused")
	}
	name := r.GetHostId()
	if i.as != "" {
		name = i.as
	}
	cert, err := i.ca.Issue(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: identity.Host, Name: name}, Key: key, TTL: time.Hour}, time.Now())
	return &enrolv1.EnrolHostResponse{CertificatePem: cert, CaPem: i.ca.PEM(), Room: "bj01"}, err
}

// newHost has an empty state directory, a join token, and an issuer with the CA.
func newHost(t *testing.T, role identity.Role) (agent.Enrolment, *issuer) {
	t.Helper()
	ca, err := identity.NewCA("demo.ccs", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "i.crt"), Key: filepath.Join(dir, "i.key"), CA: filepath.Join(dir, "ca.crt")}
	own, err := ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: role, Name: "issuer"}, TTL: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	if err := errors.Join(own.Save(files), os.WriteFile(token, []byte("ccsjoin_secret\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	source, err := identity.NewSource(files, log)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{ca: ca, token: "ccsjoin_secret", listener: bufconn.Listen(64 << 10)}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(source.ServerTLSNoClientCert())))
	enrolv1.RegisterEnrolServiceServer(server, i)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(i.listener)
	}()
	t.Cleanup(func() { server.Stop(); <-served })
	state, err := agent.OpenFileState(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	return agent.Enrolment{
		Config: agent.Config{Domain: "demo.ccs", Host: hostName, Issuer: "issuer:7430", IssuerCA: files.CA, JoinTokenFile: token, Address: "10.1.2.3"},
		State:  state, Log: log,
		Dial: func(context.Context, string) (net.Conn, error) { return i.listener.Dial() },
	}, i
}

func TestAHostEnrolsOnceAndKeepsItsKey(t *testing.T) {
	en, i := newHost(t, identity.Issuer)
	incarnation := fleet.Incarnation{7}
	first, err := en.Credential(t.Context(), incarnation)
	if err != nil {
		t.Fatal(err)
	}
	if r := i.asked[0]; r.GetHostId() != hostName || r.GetAddress() != "10.1.2.3" || fleet.Incarnation(r.GetIncarnation()) != incarnation {
		t.Errorf("the request is %v", r)
	}
	if !i.keys[0].Equal(first.Key.Public()) || first.TLS == nil {
		t.Error("results are signed by another key than that of the certificate")
	}
	if info, err := os.Stat(en.State.Path("host.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	if err := os.Remove(en.Config.JoinTokenFile); err != nil { // it is not needed any more
		t.Fatal(err)
	}
	again, err := en.Credential(t.Context(), incarnation)
	if err != nil || !again.Key.Equal(first.Key) || len(i.asked) != 1 {
		t.Errorf("the second time: %v; the issuer was asked %d times", err, len(i.asked))
	}
}

func TestAnEnrolmentThatFailedIsRepeatedWithTheSameKey(t *testing.T) {
	en, i := newHost(t, identity.Issuer)
	i.token = "another"
	_, err := en.Credential(t.Context(), fleet.Incarnation{7})
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), hostName) {
		t.Errorf("it is told %v", err)
	}
	i.token = "ccsjoin_secret"
	if _, err := en.Credential(t.Context(), fleet.Incarnation{7}); err != nil {
		t.Fatal(err)
	}
	if !i.keys[0].Equal(i.keys[1]) {
		t.Error("the second request is by another key")
	}
}

func TestAHostGivesItsTokenToNobodyButTheIssuer(t *testing.T) {
	en, i := newHost(t, identity.Aggregator)
	if _, err := en.Credential(t.Context(), fleet.Incarnation{7}); err == nil {
		t.Error("it enrolled at an aggregator")
	}
	if len(i.asked) != 0 {
		t.Error("it showed its token")
	}
}

func TestACertificateOfAnotherHostIsRefused(t *testing.T) {
	en, i := newHost(t, identity.Issuer)
	i.as = "db1.bj01"
	if _, err := en.Credential(t.Context(), fleet.Incarnation{7}); err == nil || !strings.Contains(err.Error(), "db1.bj01") {
		t.Errorf("it is told %v", err)
	}
}

func TestAnOperatorMayBringTheCertificate(t *testing.T) {
	en, i := newHost(t, identity.Issuer)
	dir := t.TempDir()
	own, err := i.ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: identity.Host, Name: hostName}, TTL: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	en.Config.TLS = identity.Files{Cert: filepath.Join(dir, "h.crt"), Key: filepath.Join(dir, "h.key"), CA: filepath.Join(dir, "ca.crt")}
	if _, err := en.Credential(t.Context(), fleet.Incarnation{7}); err == nil {
		t.Error("files that are not there were loaded")
	}
	if err := own.Save(en.Config.TLS); err != nil {
		t.Fatal(err)
	}
	if _, err := en.Credential(t.Context(), fleet.Incarnation{7}); err != nil || len(i.asked) != 0 {
		t.Errorf("%v; the issuer was asked %d times", err, len(i.asked))
	}
}
