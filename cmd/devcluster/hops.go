package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

const (
	// hopsToStart are client → access → scheduler → aggregator → agent over
	// mutual TLS, and agent → executor over a unix socket.
	hopsToStart = 5
	// hopBytes is about the size of a command with its capsule and proof.
	hopBytes = 1200
)

// chain is as many gRPC servers in this process, each of which calls the next
// one. That they share a process makes it cheaper than the tiers can be.
type chain struct {
	servers []*grpc.Server
	conns   []*grpc.ClientConn // the first is the client's, each other one its server's
	serving sync.WaitGroup
	arrived time.Time // at the last server; set before the calls return
}

// newChain starts the servers; the unix socket is in the directory.
func newChain(dir string) (*chain, error) {
	mutual, err := hopTLS()
	if err != nil {
		return nil, err
	}
	c := &chain{}
	for n := range hopsToStart {
		if err := c.add(n, dir, mutual); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

func (c *chain) add(n int, dir string, mutual credentials.TransportCredentials) error {
	network, address, target, creds := "tcp", "127.0.0.1:0", "passthrough:///", mutual
	if n == hopsToStart-1 {
		address = filepath.Join(dir, "s")
		network, target, creds = "unix", "unix:", insecure.NewCredentials()
	}
	lis, err := (&net.ListenConfig{}).Listen(context.Background(), network, address) //nolint:forbidigo // listening on loopback does not wait
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(creds), grpc.ForceServerCodec(bareCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "floor.Hop", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Pass", Handler: c.handler(n)}},
	}, c)
	c.servers = append(c.servers, server)
	c.serving.Go(func() { _ = server.Serve(lis) }) // until close
	conn, err := grpc.NewClient(target+lis.Addr().String(), grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bareCodec{})))
	if err != nil {
		return fmt.Errorf("cannot dial: %w", err)
	}
	c.conns = append(c.conns, conn)
	return nil
}

// handler passes a message on, and at the last server notes the time.
func (c *chain) handler(n int) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var message []byte
		if err := decode(&message); err != nil {
			return nil, err
		}
		if n == hopsToStart-1 {
			c.arrived = time.Now()
			return &message, nil
		}
		return &message, pass(ctx, c.conns[n+1], message)
	}
}

func pass(ctx context.Context, conn *grpc.ClientConn, message []byte) error {
	var answer []byte
	return conn.Invoke(ctx, "/floor.Hop/Pass", &message, &answer)
}

// once sends a message through all of them and returns when it arrived.
func (c *chain) once(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := pass(ctx, c.conns[0], make([]byte, hopBytes)); err != nil {
		return 0, err
	}
	return c.arrived.Sub(began), nil
}

func (c *chain) close() error {
	var failed error
	for _, conn := range c.conns {
		failed = errors.Join(failed, conn.Close())
	}
	for _, s := range c.servers {
		s.Stop()
	}
	c.serving.Wait()
	return failed
}

// hopTLS is both sides of a mutual TLS 1.3 with an Ed25519 certificate, as the
// tiers have it.
func hopTLS() (credentials.TransportCredentials, error) {
	now := time.Now()
	ca, err := identity.NewCA("floor.ccs", time.Hour, now)
	if err != nil {
		return nil, err
	}
	cred, err := ca.IssueWithKey(identity.Request{
		ID: identity.ID{Domain: ca.Domain(), Role: identity.Scheduler, Name: "floor"}, TTL: time.Hour, DNS: []string{"localhost"},
	}, now)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(cred.CertPEM, cred.KeyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	return credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ServerName: "localhost",
		RootCAs: roots, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	}), nil
}

// bareCodec passes bytes: the floor needs no messages.
type bareCodec struct{}

func (bareCodec) Name() string { return "bare" }

func (bareCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return *b, nil
}

func (bareCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*b = append((*b)[:0], data...)
	return nil
}
