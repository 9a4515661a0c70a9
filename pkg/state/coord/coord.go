package coord

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Client] and its sessions.
var (
	// ErrAway says that etcd cannot be reached or has no leader. What was asked
	// may or may not have happened.
	ErrAway = errors.New("the coordination service (etcd) cannot be reached")
	// ErrLost says that a session's lease has ended, and with it all that was
	// held or put under it. Grant another.
	ErrLost = errors.New("the lease has ended")
	// ErrWentBack says that etcd was restored from an older snapshot, or
	// replaced: what it says now may be older than what is known. Keep what is
	// known; an operator has to look, and then to restart the process.
	ErrWentBack = errors.New("the history of the coordination service (etcd) went back")
)

// MinTTL is the shortest lease; etcd grants no shorter one.
const MinTTL = 2 * time.Second

// Client is a connection to the coordination service. It is safe for
// concurrent use. Every call ends in a few seconds, with ErrAway if it must.
type Client interface {
	// Grant opens a session under a new lease, which keeps itself alive until
	// it is closed or lost. The ttl is rounded up to seconds, at least MinTTL.
	Grant(ctx context.Context, ttl time.Duration) (Session, error)
	// Put writes a key that stays.
	Put(ctx context.Context, key string, value []byte) error
	// Delete removes a key; it need not be there.
	Delete(ctx context.Context, key string) error
	// Get returns all keys that begin with prefix.
	Get(ctx context.Context, prefix string) (View, error)
	// Watch calls see with all keys that begin with prefix, once at first and
	// after that when they have changed, until ctx ends; it returns the cause.
	// A slow see misses versions in between, never the last one. Away times are
	// bridged: what is known holds on, and what has changed meanwhile is seen
	// when etcd is back. A View with an Alarm is the last.
	Watch(ctx context.Context, prefix string, see func(View)) error
}

// Session is what one process holds as long as it is alive. It is safe for
// concurrent use. After it is lost or closed every call returns ErrLost.
type Session interface {
	// Acquire takes key, with a value that names the holder, and reports
	// whether this session holds it. A key that is held with the very same
	// value, by an earlier session of the same holder, is taken over.
	Acquire(ctx context.Context, key, value string) (bool, error)
	// Put writes a key that goes when the session goes.
	Put(ctx context.Context, key string, value []byte) error
	// Release removes a key if this session holds or has put it.
	Release(ctx context.Context, key string) error
	// Lost is closed when the session is lost or closed.
	Lost() <-chan struct{}
	// Close removes all that is under the lease, if etcd can be reached, and
	// ends the session in any case.
	Close(ctx context.Context) error
}

// View is all keys below a prefix at one revision.
type View struct {
	Revision int64             // of etcd; grows with every change of any key
	Items    map[string][]byte // by full key; must not be changed
	Alarm    error             // wraps ErrWentBack; the rest is what was known before
}
