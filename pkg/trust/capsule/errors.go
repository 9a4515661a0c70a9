package capsule

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// The reasons why a capsule, a proof or a result is not taken. Every error of
// this package wraps exactly one of them.
var (
	// ErrMalformed: the bytes are not what docs/capsule.md defines.
	ErrMalformed = errors.New("malformed")
	// ErrSignature: no valid signature of one known signer.
	ErrSignature = errors.New("bad signature")
	// ErrTooEarly: not-before lies further ahead than the clocks may differ.
	ErrTooEarly = errors.New("not yet valid")
	// ErrTooLate: the start-by has passed.
	ErrTooLate = errors.New("start-by has passed")
	// ErrNotTarget: the host and its incarnation are not in the signed list.
	ErrNotTarget = errors.New("not a target")
	// ErrProof: a range of targets does not belong to the signed list.
	ErrProof = errors.New("bad range proof")
)

// Outcome is what a host records for a capsule that it does not take because of
// err. An error that is not of this package, and nil, give (Unspecified,
// NoReason): the caller has to know what it means.
func Outcome(err error) (task.State, task.Reason) {
	switch {
	case errors.Is(err, ErrMalformed):
		return task.Refused, task.Malformed
	case errors.Is(err, ErrSignature):
		return task.Refused, task.BadSignature
	case errors.Is(err, ErrTooEarly):
		return task.Refused, task.BadTime
	case errors.Is(err, ErrTooLate):
		return task.Expired, task.StartByPassed
	case errors.Is(err, ErrNotTarget), errors.Is(err, ErrProof):
		return task.Refused, task.NotTarget
	}
	return task.Unspecified, task.NoReason
}
