package client

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Silence of a replica after which the client asks whether it is still there, and
// how long it may take to answer. Without it a watch would wait for ever at a
// machine that lost its power. Access allows a question every 10 s.
const (
	askAfter  = 20 * time.Second
	answersIn = 5 * time.Second
)

// Client talks to access. It is safe for concurrent use, and one is enough for a
// program: calls share its connection. None of its goroutines outlives
// [Client.Close].
type Client struct {
	access accessv1.AccessServiceClient
	key    ed25519.PrivateKey
	close  func() error
	once   sync.Once // of close
}

// New returns a client. It reads the files of the config now, and dials at the
// first call: an address that nobody answers at is no error before that. The
// error has code Invalid and names every fault of the config, or the file that
// cannot be used. Close the client after use.
func New(c Config) (*Client, error) {
	if err := c.Validate(); err != nil {
		return nil, &Error{Code: Invalid, Message: err.Error()}
	}
	key, err := readKey(c.SigningKey)
	if err != nil {
		return nil, &Error{Code: Invalid, Message: err.Error()}
	}
	source, err := identity.NewSource(identity.Files{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, &Error{Code: Invalid, Message: err.Error()}
	}
	replicas := manual.NewBuilderWithScheme("ccs")
	state := resolver.State{}
	for _, a := range c.Addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	replicas.InitialState(state)
	conn, err := grpc.NewClient("ccs:///access", append(dialOptions(),
		grpc.WithResolvers(replicas),
		grpc.WithTransportCredentials(credentials.NewTLS(source.ClientTLS(identity.Access))),
	)...)
	if err != nil {
		return nil, &Error{Code: Invalid, Message: fmt.Sprintf("cannot reach access: %v", err)}
	}
	return &Client{access: accessv1.NewAccessServiceClient(conn), key: key, close: conn.Close}, nil
}

// dialOptions keep one connection, to any replica, and make another when it does
// not answer.
func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: askAfter, Timeout: answersIn}),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}]}`),
	}
}

// Over returns a client on a connection that exists already, such as one of a
// test in memory; the key signs its jobs. Closing it leaves the connection open.
func Over(conn grpc.ClientConnInterface, signingKey ed25519.PrivateKey) *Client {
	return &Client{access: accessv1.NewAccessServiceClient(conn), key: signingKey, close: func() error { return nil }}
}

// Close ends every call that is under way, with code Canceled and after 2 s at
// the latest. Jobs go on. To close it again does nothing.
func (c *Client) Close() (err error) {
	c.once.Do(func() { err = c.close() })
	return err
}

func readKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, fmt.Errorf("cannot read the signing key: %w", err)
	}
	key, err := identity.DecodeKey(text)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signing key %s", path), err)
	}
	return key, nil
}
