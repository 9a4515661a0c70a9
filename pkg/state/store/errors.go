package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
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
	// ErrPurged: retention has removed the job, or has forgotten all ids of its
	// time. It comes with ErrNotFound.
	ErrPurged = errors.New("removed by retention")
	// ErrPageToken: the token is damaged or belongs to another list.
	ErrPageToken = errors.New("the page token is not valid here")
	// ErrUnavailable: not now (busy, disk full, I/O error); the same call may
	// succeed later. After a Commit its fate is open until Fate or the same
	// batch again has answered.
	ErrUnavailable = errors.New("the job store is not available")
	// ErrMoved comes with ErrUnavailable: what was opened as the store is not
	// there any more, and what is written to it would be lost.
	ErrMoved = errors.New("the file of the job store was moved, removed or replaced; put it back, or start again with the one that is to be used")
	// ErrDamaged: what is stored of a job cannot be decoded. It will not be
	// better the next time.
	ErrDamaged = errors.New("the stored job is damaged")
	// ErrBatch: the batch cannot be applied as it stands, and nothing of it
	// was: a number out of order, or rows that contradict the store.
	ErrBatch = errors.New("the batch cannot be applied")
)

// DamagedError is an ErrDamaged that says which jobs, and what is wrong with
// them.
type DamagedError struct {
	Jobs   []job.ID
	faults error
}

// Add adds a job; for versions of the store.
func (e *DamagedError) Add(id job.ID, fault error) {
	e.Jobs = append(e.Jobs, id)
	e.faults = errors.Join(e.faults, fmt.Errorf("cannot read job %s: %w", id, fault))
}

// OrNil is e, or no error if no job was added; for versions of the store.
func (e *DamagedError) OrNil() error {
	if len(e.Jobs) == 0 {
		return nil
	}
	return e
}

// Error tells of each job what is wrong.
func (e *DamagedError) Error() string { return e.faults.Error() }

// Unwrap is what is wrong with all of them.
func (e *DamagedError) Unwrap() error { return e.faults }

// Is makes errors.Is(err, ErrDamaged) true.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

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

// PurgedError is an ErrPurged, and an ErrNotFound, that says what is still known.
type PurgedError struct {
	// Identity has the id alone if the id itself is forgotten.
	Identity
}

// Error says when the job was removed, if that is still known.
func (e *PurgedError) Error() string {
	if e.Removed.IsZero() {
		return fmt.Sprintf("job %s is not there any more: what was submitted at its time was removed by retention, and its id was forgotten since", e.ID)
	}
	return fmt.Sprintf("job %s was removed by retention on %s", e.ID, e.Removed.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrPurged) and errors.Is(err, ErrNotFound) true.
func (e *PurgedError) Is(target error) bool { return target == ErrPurged || target == ErrNotFound }
