package store

import (
	"errors"
	"fmt"
)

// The errors that callers act upon. Every error of a Store wraps one of them
// or is a fault of the caller's input that is told in words.
var (
	// ErrFenced: the shard has another owner, or the store another generation.
	// The caller drops the shard's state; it may claim again.
	ErrFenced = errors.New("the shard has another owner")
	// ErrExists: the job id is taken, by a job of the same or of another body.
	ErrExists = errors.New("a job with this id exists")
	// ErrNotFound: no such job, output or claim.
	ErrNotFound = errors.New("not found")
	// ErrPageToken: the token is damaged or belongs to another list.
	ErrPageToken = errors.New("the page token is not valid here")
	// ErrUnavailable: not now (busy, disk full, I/O error); the same call may
	// succeed later. After a Commit its fate is open until Fate or the same
	// batch again has answered.
	ErrUnavailable = errors.New("the job store is not available")
	// ErrBatch: the batch cannot be applied as it stands, and nothing of it
	// was: a number out of order, or rows that contradict the store.
	ErrBatch = errors.New("the batch cannot be applied")
)

// ExistsError is an ErrExists that says what holds the id.
type ExistsError struct {
	Identity
}

// Error names the job and where it is.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("a job with the id %s exists in pool %s", e.ID, e.Shard.Pool)
}

// Is makes errors.Is(err, ErrExists) true.
func (e *ExistsError) Is(target error) bool { return target == ErrExists }
