package roomspool

import (
	"errors"
	"fmt"
)

// Limits of one commit.
const (
	MaxKey    = 512      // bytes
	MaxValue  = 32 << 20 // bytes
	MaxCommit = 64 << 20 // bytes, keys and values together
)

// Why a spool does not do what it is asked to.
var (
	// ErrFull: the quota is used up. Deleting goes on and makes room.
	ErrFull = errors.New("room spool has used up its quota")
	// ErrDamaged: what was written cannot be read any more. Who opens the spool
	// the next time sets it aside and begins anew, under another id.
	ErrDamaged = errors.New("room spool is damaged")
	// ErrLocked: another process has the spool open.
	ErrLocked = errors.New("room spool is open elsewhere")
	// ErrClosed: this process has closed it.
	ErrClosed = errors.New("room spool is closed")
	// ErrTooLarge: a change is above the limits, which is the caller's fault.
	ErrTooLarge = errors.New("change of the room spool is too large")
)

// Change is what becomes of one key.
type Change struct {
	Key   string
	Value []byte // nil: the key is deleted, whether it was there or not
}

// Usage is what a spool holds.
type Usage struct {
	Entries int   // keys
	Live    int64 // bytes of those keys and their values
	Held    int64 // bytes on the disk
	Room    int64 // bytes that may live without Held ever passing the quota
}

// Check refuses what is above the limits of a commit; the error wraps
// ErrTooLarge.
func Check(changes []Change) error {
	total := 0
	for _, c := range changes {
		if len(c.Key) == 0 || len(c.Key) > MaxKey || len(c.Value) > MaxValue {
			return fmt.Errorf("%w: a key of %d bytes, at most %d and at least 1, with a value of %d, at most %d", ErrTooLarge, len(c.Key), MaxKey, len(c.Value), MaxValue)
		}
		total += len(c.Key) + len(c.Value)
	}
	if total > MaxCommit {
		return fmt.Errorf("%w: %d bytes at once, at most %d", ErrTooLarge, total, MaxCommit)
	}
	return nil
}
