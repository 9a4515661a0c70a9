package etcd

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// session is a lease that is kept alive by etcd's client.
type session struct {
	client *Client
	lease  clientv3.LeaseID
	lost   chan struct{} // closed by the goroutine that follows the lease
	stop   context.CancelFunc
}

// Grant opens a session. It outlives ctx.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (coord.Session, error) {
	call, cancel := c.bound(ctx)
	defer cancel()
	seconds := int64((max(ttl, coord.MinTTL) + time.Second - 1) / time.Second)
	resp, err := c.raw.Grant(call, seconds)
	if err != nil {
		return nil, fmt.Errorf("cannot grant a lease: %w", explain(ctx, err))
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	beats, err := c.raw.KeepAlive(alive, resp.ID)
	if err != nil {
		stop()
		return nil, fmt.Errorf("cannot keep a lease alive: %w", explain(ctx, err))
	}
	s := &session{client: c, lease: resp.ID, lost: make(chan struct{}), stop: stop}
	go func() { // ends with the lease, or with stop; Close waits for it
		defer close(s.lost)
		defer stop()
		for range beats { // the client closes it when a whole TTL went by without an answer
		}
	}()
	return s, nil
}

// Acquire takes key if nobody else holds it.
func (s *session) Acquire(ctx context.Context, key, value string) (bool, error) {
	call, cancel := s.client.bound(ctx)
	defer cancel()
	put := clientv3.OpPut(key, value, clientv3.WithLease(s.lease))
	resp, err := s.commit(call, clientv3.Compare(clientv3.CreateRevision(key), "=", 0), put, clientv3.OpGet(key))
	if err == nil && !resp.Succeeded {
		kvs := resp.Responses[0].GetResponseRange().GetKvs()
		if len(kvs) == 0 || string(kvs[0].GetValue()) != value {
			return false, nil
		}
		if kvs[0].GetLease() == int64(s.lease) {
			return true, nil
		}
		resp, err = s.commit(call, clientv3.Compare(clientv3.ModRevision(key), "=", kvs[0].GetModRevision()), put)
	}
	if err != nil {
		return false, fmt.Errorf("cannot acquire %s: %w", key, explain(ctx, err))
	}
	return resp.Succeeded, nil
}

// Put writes a key that goes with the session.
func (s *session) Put(ctx context.Context, key string, value []byte) error {
	call, cancel := s.client.bound(ctx)
	defer cancel()
	if s.ended() {
		return fmt.Errorf("cannot put %s: %w", key, coord.ErrLost)
	}
	if _, err := s.client.raw.Put(call, key, string(value), clientv3.WithLease(s.lease)); err != nil {
		return fmt.Errorf("cannot put %s: %w", key, explain(ctx, err))
	}
	return nil
}

// Release removes a key of this session.
func (s *session) Release(ctx context.Context, key string) error {
	call, cancel := s.client.bound(ctx)
	defer cancel()
	_, err := s.commit(call, clientv3.Compare(clientv3.LeaseValue(key), "=", s.lease), clientv3.OpDelete(key))
	if err != nil {
		return fmt.Errorf("cannot release %s: %w", key, explain(ctx, err))
	}
	return nil
}

// commit runs then if the condition holds, and otherwise what is left.
func (s *session) commit(ctx context.Context, when clientv3.Cmp, then clientv3.Op, otherwise ...clientv3.Op) (*clientv3.TxnResponse, error) {
	if s.ended() {
		return nil, coord.ErrLost
	}
	return s.client.raw.Txn(ctx).If(when).Then(then).Else(otherwise...).Commit()
}

func (s *session) ended() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// Lost is closed when the session has ended.
func (s *session) Lost() <-chan struct{} { return s.lost }

// Close gives the lease back and waits for the goroutine that followed it.
func (s *session) Close(ctx context.Context) error {
	over := s.ended()
	s.stop()
	<-s.lost
	if over {
		return fmt.Errorf("cannot give back the lease: %w", coord.ErrLost)
	}
	call, cancel := s.client.bound(ctx)
	defer cancel()
	if _, err := s.client.raw.Revoke(call, s.lease); err != nil {
		return fmt.Errorf("cannot give back the lease: %w", explain(ctx, err))
	}
	return nil
}
