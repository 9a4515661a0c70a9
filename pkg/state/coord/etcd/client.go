package etcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Config says where etcd is.
type Config struct {
	// Endpoints are host:port or https://host:port, at least one.
	Endpoints []string `mapstructure:"endpoints"`
	// RequestTimeout is how long a call waits for an answer; default 5 s.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`
	// Resync is how often a watch asks for everything, in case that an event
	// was missed or etcd was restored; default 30 s.
	Resync time.Duration `mapstructure:"resync"`
}

// DefaultConfig returns the defaults, without endpoints.
func DefaultConfig() Config {
	return Config{RequestTimeout: 5 * time.Second, Resync: 30 * time.Second}
}

// Validate returns every fault of c, joined.
func (c Config) Validate() error {
	var faults []error
	if len(c.Endpoints) == 0 {
		faults = append(faults, errors.New("etcd.endpoints: must name at least one, such as 127.0.0.1:2379"))
	}
	for i, e := range c.Endpoints {
		scheme, _, hasScheme := strings.Cut(e, "://")
		if e == "" || hasScheme && scheme != "https" {
			faults = append(faults, fmt.Errorf("etcd.endpoints[%d]: %q must be host:port or https://host:port", i, e))
		}
	}
	if c.RequestTimeout <= 0 {
		faults = append(faults, errors.New("etcd.request_timeout: must be positive, such as 5s"))
	}
	if c.Resync <= 0 {
		faults = append(faults, errors.New("etcd.resync: must be positive, such as 30s"))
	}
	return errors.Join(faults...)
}

// Client is a connection to etcd. It is safe for concurrent use. Make it with
// [New]; end its watches and sessions before [Client.Close].
type Client struct {
	cfg Config
	log *slog.Logger
	raw *clientv3.Client

	wentBack atomic.Bool

	mu       sync.Mutex
	cluster  uint64 // guarded by mu: id of the cluster, 0 before its first answer
	revision int64  // guarded by mu: the greatest that it has told
}

// WentBack reports whether etcd was seen to have lost history. From then on no
// watch tells anything new; it holds for as long as the client lives. Safe for
// concurrent use.
func (c *Client) WentBack() bool { return c.wentBack.Load() }

var _ coord.Client = (*Client)(nil)

// reconnect is how the connection is tried again: gRPC's default would let up
// to two minutes pass after etcd is back, and the leases run out.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: 3 * time.Second,
}

// New returns a client. It connects when it is first used: etcd may be away.
// Without identity the connection is not encrypted; that is for tests only.
func New(cfg Config, identity *tls.Config, log *slog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cannot use etcd: %w", err)
	}
	raw, err := clientv3.New(clientv3.Config{
		Endpoints:            cfg.Endpoints,
		TLS:                  identity,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		DialOptions:          []grpc.DialOption{grpc.WithConnectParams(reconnect)},
		Logger:               zap.NewNop(), // what matters comes back as an error and is logged once, by us
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use etcd: %w", err)
	}
	return &Client{cfg: cfg, log: log, raw: raw}, nil
}

// Close ends the connection.
func (c *Client) Close() error {
	if err := c.raw.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("cannot close the connection to etcd: %w", err)
	}
	return nil
}

// Put writes a key that stays.
func (c *Client) Put(ctx context.Context, key string, value []byte) error {
	call, cancel := c.bound(ctx)
	defer cancel()
	if _, err := c.raw.Put(call, key, string(value)); err != nil {
		return fmt.Errorf("cannot put %s: %w", key, explain(ctx, err))
	}
	return nil
}

// Delete removes a key.
func (c *Client) Delete(ctx context.Context, key string) error {
	call, cancel := c.bound(ctx)
	defer cancel()
	if _, err := c.raw.Delete(call, key); err != nil {
		return fmt.Errorf("cannot delete %s: %w", key, explain(ctx, err))
	}
	return nil
}

// Get returns all keys that begin with prefix. It returns coord.ErrWentBack if
// the answer is older than another that was complete before it was asked.
func (c *Client) Get(ctx context.Context, prefix string) (coord.View, error) {
	call, cancel := c.bound(ctx)
	defer cancel()
	cluster, revision := c.known()
	resp, err := c.raw.Get(call, prefix, clientv3.WithPrefix())
	if err != nil {
		return coord.View{}, fmt.Errorf("cannot get %s: %w", prefix, explain(ctx, err))
	}
	if err := judge(cluster, revision, resp.Header); err != nil {
		return coord.View{}, fmt.Errorf("cannot get %s: %w", prefix, err)
	}
	c.learn(resp.Header)
	v := coord.View{Revision: resp.Header.GetRevision(), Items: make(map[string][]byte, len(resp.Kvs))}
	for _, kv := range resp.Kvs {
		v.Items[string(kv.GetKey())] = kv.GetValue()
	}
	return v, nil
}

// judgeView asks for a view that was told before, as it was at its revision. After
// a restore from an older snapshot etcd grows past every revision that was told,
// and then it is the only one who could say that it told something else there. A
// revision that has been compacted nobody can ask for; then it says nothing.
func (c *Client) judgeView(ctx context.Context, prefix string, told coord.View) error {
	call, cancel := c.bound(ctx)
	defer cancel()
	resp, err := c.raw.Get(call, prefix, clientv3.WithPrefix(), clientv3.WithRev(told.Revision))
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		return nil
	case errors.Is(err, rpctypes.ErrFutureRev):
		return fmt.Errorf("cannot get %s: %w: revision %d is not there any more", prefix, coord.ErrWentBack, told.Revision)
	case err != nil:
		return fmt.Errorf("cannot get %s: %w", prefix, explain(ctx, err))
	}
	same := len(resp.Kvs) == len(told.Items)
	for _, kv := range resp.Kvs {
		value, there := told.Items[string(kv.GetKey())]
		same = same && there && bytes.Equal(value, kv.GetValue())
	}
	if !same {
		return fmt.Errorf("cannot get %s: %w: at revision %d it told something else before", prefix, coord.ErrWentBack, told.Revision)
	}
	return nil
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.cfg.RequestTimeout)
}

func (c *Client) known() (cluster uint64, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cluster, c.revision
}

func (c *Client) learn(h *etcdserverpb.ResponseHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster, c.revision = h.GetClusterId(), max(c.revision, h.GetRevision())
}

// witness takes note of the header of an event, which may be older than what
// other calls have told.
func (c *Client) witness(h *etcdserverpb.ResponseHeader) error {
	cluster, _ := c.known()
	if err := judge(cluster, 0, h); err != nil {
		return err
	}
	c.learn(h)
	return nil
}

// judge compares an answer with what was known when it was asked for. Reads
// are linearizable, so an older answer means that etcd has lost history.
func judge(cluster uint64, revision int64, h *etcdserverpb.ResponseHeader) error {
	switch {
	case cluster != 0 && cluster != h.GetClusterId():
		return fmt.Errorf("%w: another cluster answers (%x, was %x)", coord.ErrWentBack, h.GetClusterId(), cluster)
	case h.GetRevision() < revision:
		return fmt.Errorf("%w: from revision %d to %d", coord.ErrWentBack, revision, h.GetRevision())
	}
	return nil
}
