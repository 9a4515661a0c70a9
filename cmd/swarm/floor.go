package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Sizes of what goes down to a host and comes up again, in bytes: about those
// of a command with its capsule and proof, and of a signed report.
const (
	floorDown = 1200
	floorUp   = 256
)

// floor is the least that a ping to all hosts can cost: one gRPC stream over
// mutual TLS to each host, and on each host two verifications and one
// signature. No tiers, nothing recorded.
type floor struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	down    []byte // begins with a signature over the rest

	attached chan grpc.ServerStream
	answers  chan struct{}
}

// measureFloor returns the time to the last answer of each round.
func measureFloor(ctx context.Context, hosts, rounds int) ([]time.Duration, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	f := &floor{public: public, private: private, attached: make(chan grpc.ServerStream), answers: make(chan struct{}, hosts)}
	rest := make([]byte, floorDown-ed25519.SignatureSize)
	f.down = append(ed25519.Sign(private, rest), rest...)
	serverTLS, clientTLS, err := floorTLS()
	if err != nil {
		return nil, err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(serverTLS)), grpc.ForceServerCodec(rawCodec{}),
		grpc.InitialWindowSize(64<<10), grpc.InitialConnWindowSize(64<<10), grpc.ReadBufferSize(4<<10), grpc.WriteBufferSize(4<<10))
	server.RegisterService(f.service(), f)
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(lis) })
	group.Go(func() error { return f.clients(ctx, hosts, lis.Addr().String(), clientTLS) })
	times, err := f.measure(ctx, hosts, rounds)
	cancel()
	server.Stop()
	if ended := group.Wait(); err == nil && !errors.Is(ended, context.Canceled) {
		err = ended
	}
	return times, err
}

// measure waits for all clients and then times the rounds.
func (f *floor) measure(ctx context.Context, hosts, rounds int) (times []time.Duration, err error) {
	streams := make([]grpc.ServerStream, 0, hosts)
	for len(streams) < hosts {
		select {
		case s := <-f.attached:
			streams = append(streams, s)
		case <-ctx.Done():
			return nil, fmt.Errorf("the floor has %d of %d clients: %w", len(streams), hosts, context.Cause(ctx))
		}
	}
	for range rounds {
		began := time.Now()
		for _, s := range streams {
			if err := s.SendMsg(&f.down); err != nil {
				return nil, fmt.Errorf("the floor lost a client: %w", err)
			}
		}
		for n := range hosts {
			select {
			case <-f.answers:
			case <-ctx.Done():
				return nil, fmt.Errorf("the floor has %d of %d answers: %w", n, hosts, context.Cause(ctx))
			}
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

func (f *floor) service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "swarm.Floor", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Echo", ServerStreams: true, ClientStreams: true, Handler: f.serve}},
	}
}

// serve takes the answers of one client.
func (f *floor) serve(_ any, s grpc.ServerStream) error {
	select {
	case f.attached <- s:
	case <-s.Context().Done():
		return nil
	}
	for {
		var up []byte
		if err := s.RecvMsg(&up); err != nil {
			return nil //nolint:nilerr // the client has gone, which is how it ends
		}
		f.answers <- struct{}{}
	}
}

// clients runs all of them until ctx ends.
func (f *floor) clients(ctx context.Context, n int, addr string, config *tls.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	limit := make(chan struct{}, connecting)
	for i := range n {
		group.Go(func() error {
			conn, err := grpc.NewClient("passthrough:///"+addr,
				grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithContextDialer(sourceDialer(i)),
				grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})),
				grpc.WithInitialWindowSize(64<<10), grpc.WithInitialConnWindowSize(64<<10),
				grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			limit <- struct{}{}
			s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/swarm.Floor/Echo")
			<-limit
			if err != nil {
				return err
			}
			return f.client(ctx, s)
		})
	}
	return group.Wait()
}

// client answers what comes.
func (f *floor) client(ctx context.Context, s grpc.ClientStream) error {
	up := make([]byte, floorUp)
	for {
		var down []byte
		if err := s.RecvMsg(&down); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		signature, rest := down[:ed25519.SignatureSize], down[ed25519.SignatureSize:]
		for range 2 {
			if !ed25519.Verify(f.public, rest, signature) {
				return errors.New("the floor's message came out wrong")
			}
		}
		copy(up, ed25519.Sign(f.private, rest[:floorUp]))
		if err := s.SendMsg(&up); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// floorTLS are the two sides of a mutual TLS 1.3 with Ed25519 certificates, as
// the tiers have it.
func floorTLS() (server, client *tls.Config, err error) {
	now := time.Now()
	ca, err := identity.NewCA("floor.swarm", time.Hour, now)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	side := func(role identity.Role) (tls.Certificate, error) {
		c, err := ca.IssueWithKey(identity.Request{
			ID: identity.ID{Domain: ca.Domain(), Role: role, Name: "floor"}, TTL: time.Hour, DNS: []string{"localhost"},
		}, now)
		if err != nil {
			return tls.Certificate{}, err
		}
		return tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	}
	serverCert, err1 := side(identity.Aggregator)
	clientCert, err2 := side(identity.Host)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	server = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{serverCert}, SessionTicketsDisabled: true,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}
	client = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{clientCert}, RootCAs: roots, ServerName: "localhost"}
	return server, client, nil
}

// rawCodec passes bytes: the floor needs no messages.
type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return *b, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*b = append((*b)[:0], data...)
	return nil
}
