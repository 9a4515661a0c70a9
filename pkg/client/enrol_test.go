package client_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// desk is an issuer that knows one token.
type desk struct {
	enrolv1.UnimplementedEnrolServiceServer

	ca *identity.CA
}

func (d *desk) EnrolUser(_ context.Context, req *enrolv1.EnrolUserRequest) (*enrolv1.EnrolUserResponse, error) {
	if req.GetJoinToken() != "good" {
		return nil, status.Error(codes.PermissionDenied, "bad join token")
	}
	key, err := identity.CSRKey(req.GetCsr())
	if err != nil {
		return nil, err
	}
	cert, err := d.ca.Issue(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: identity.User, Name: req.GetUser()}, Key: key, TTL: time.Hour}, time.Now())
	return &enrolv1.EnrolUserResponse{CertificatePem: cert, CaPem: d.ca.PEM()}, err
}

// openDesk serves an issuer on loopback and returns what a user knows of it.
func openDesk(t *testing.T) client.Enrolment {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ca, err1 := identity.NewCA("demo.ccs", time.Hour, time.Now())
	key, err2 := identity.NewKey()
	text, err3 := identity.EncodeKey(key)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	own, err := ca.IssueWithKey(identity.Request{ID: identity.ID{Domain: "demo.ccs", Role: identity.Issuer, Name: "issuer"}, TTL: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files := identity.Files{Cert: at("issuer.crt"), Key: at("issuer.key"), CA: at("ca.crt")}
	if err := own.Save(files); err != nil {
		t.Fatal(err)
	}
	source, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(source.ServerTLSNoClientCert())))
	enrolv1.RegisterEnrolServiceServer(server, &desk{ca: ca})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lis) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	if err := os.WriteFile(at("ann.key"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return client.Enrolment{
		Issuer: lis.Addr().String(), Domain: "demo.ccs", User: "ann", Token: "good",
		KeyFile: at("ann.key"), CAFile: files.CA, CertFile: at("ann.crt"),
	}
}

func TestAUserGetsACertificateForTheKeySheHas(t *testing.T) {
	e := openDesk(t)
	if err := client.Enrol(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	source, err := identity.NewSource(identity.Files{Cert: e.CertFile, Key: e.KeyFile, CA: e.CAFile}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := source.ID().String(); got != "spiffe://demo.ccs/user/ann" {
		t.Errorf("she is %s", got)
	}
}

func TestAnEnrolmentThatFailsSaysWhyAndLeavesTheKeyAlone(t *testing.T) {
	tests := map[string]struct {
		change func(*client.Enrolment)
		code   client.Code
		says   string
	}{
		"a token that is not known":  {func(e *client.Enrolment) { e.Token = "stolen" }, client.Denied, "bad join token"},
		"no key":                     {func(e *client.Enrolment) { e.KeyFile += ".none" }, client.Invalid, "signing key"},
		"no CA":                      {func(e *client.Enrolment) { e.CAFile += ".none" }, client.Invalid, "ca.crt.none"},
		"a CA that is none":          {func(e *client.Enrolment) { e.CAFile = e.KeyFile }, client.Invalid, "CA"},
		"an issuer of another realm": {func(e *client.Enrolment) { e.Domain = "other.ccs" }, client.Untrusted, "spiffe://demo.ccs/issuer/issuer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := openDesk(t)
			before, err := os.ReadFile(e.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			kept := e.KeyFile
			test.change(&e)
			err = client.Enrol(t.Context(), e)
			if client.CodeOf(err) != test.code || err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error is %v (code %d), want %q (code %d)", err, client.CodeOf(err), test.says, test.code)
			}
			if after, _ := os.ReadFile(kept); string(after) != string(before) {
				t.Error("the key has changed")
			}
		})
	}
}
