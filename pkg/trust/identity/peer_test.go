package identity_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestACallSaysWhoMadeIt(t *testing.T) {
	ca := newCA(t, domain)
	server := newSource(t, ca, identity.Scheduler, "s1")
	for who, s := range map[string]*identity.Source{
		"spiffe://demo.ccs/access/a1": newSource(t, ca, identity.Access, "a1"),
		"spiffe://demo.ccs/issuer/i1": newSource(t, ca, identity.Issuer, "i1"),
	} {
		err := call(t, credentials.NewTLS(server.ServerTLS(identity.Access, identity.Issuer)), credentials.NewTLS(s.ClientTLS(identity.Scheduler)))
		if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), who) {
			t.Errorf("want an answer to %s, got %v", who, err)
		}
	}
}

func TestACallWithoutACertificateIsNobodys(t *testing.T) {
	ca := newCA(t, domain)
	client, err := identity.ClientTLSNoCert(ca.PEM(), domain, identity.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	server := newSource(t, ca, identity.Issuer, "i1").ServerTLSNoClientCert()
	if err := call(t, credentials.NewTLS(server), credentials.NewTLS(client)); !strings.Contains(err.Error(), identity.ErrNoPeer.Error()) {
		t.Error(err)
	}
	for _, ctx := range []context.Context{t.Context(), peer.NewContext(t.Context(), &peer.Peer{})} {
		if _, err := identity.Peer(ctx); !errors.Is(err, identity.ErrNoPeer) {
			t.Error(err)
		}
	}
}

// call makes one call; the server's answer is an error that names the caller.
func call(t *testing.T, server, client credentials.TransportCredentials) error {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(grpc.Creds(server), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		id, err := identity.Peer(stream.Context())
		if err != nil {
			return err
		}
		return status.Error(codes.Aborted, id.String())
	}))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	defer func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(client),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.Invoke(t.Context(), "/any/Any", &emptypb.Empty{}, &emptypb.Empty{})
}
