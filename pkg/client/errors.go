package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/wire"
)

// Code says what kind of error it is: what a program decides by. Texts are for
// people and may change; codes do not.
type Code int

// The codes.
const (
	Internal    Code = iota // a fault of CCS, or no error of this package
	Invalid                 // the request cannot be; change it
	NotFound                // there is no such thing
	Conflict                // the id is taken by another body, or the control state has changed
	Expired                 // the resolution is too old: resolve and sign again
	WrongState              // what it is about does not allow it as it is now; look at it first
	Denied                  // refused: not authenticated, or not allowed
	TooMuch                 // a limit is reached
	Unavailable             // could not be reached; the same again may work
	Canceled                // the caller's context ended; errors.Is tells how
	NotSigned               // the schedulers gave this outcome, no host did: there is nothing to verify
	Corrupt                 // what came is not what its digest, or its host's signature, says: do not use it
	Untrusted               // who answers has no certificate of that CA for that task: nothing was sent; look at CA file and addresses
)

var codeNames = [...]string{
	"internal", "invalid", "not found", "conflict", "expired", "wrong state", "denied", "too much", "unavailable", "canceled",
	"not signed", "corrupt", "untrusted",
}

// String is the code in words, such as "not found".
func (c Code) String() string {
	if c < 0 || int(c) >= len(codeNames) {
		return fmt.Sprintf("code %d", int(c))
	}
	return codeNames[c]
}

// Error is what every function and method of this package fails with; beside it
// there is only the error of a writer that was given to [Client.Output]. It is
// always a pointer: errors.As with a *Error finds it, and [CodeOf] does that.
type Error struct {
	Code    Code
	Message string // for a person: what happened, to what, what to do
	cause   error
	after   time.Duration // that the server asks to wait
	unsent  bool          // there was no connection to send on
}

// Error is the message: one or more sentences for a person.
func (e *Error) Error() string { return e.Message }

// Unwrap is context.Canceled or context.DeadlineExceeded if the code is Canceled,
// and otherwise nil.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf is the code of an error of this package, wrapped or not, and Internal
// for any other. It is the one way to tell errors apart; ask it only where there
// is an error.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

func invalid(format string, args ...any) error {
	return &Error{Code: Invalid, Message: fmt.Sprintf(format, args...)}
}

func corrupt(format string, args ...any) error {
	return &Error{Code: Corrupt, Message: fmt.Sprintf(format, args...)}
}

var codeOf = map[codes.Code]Code{
	codes.InvalidArgument:    Invalid,
	codes.OutOfRange:         Invalid,
	codes.NotFound:           NotFound,
	codes.AlreadyExists:      Conflict,
	codes.Aborted:            Conflict,
	codes.FailedPrecondition: WrongState,
	codes.PermissionDenied:   Denied,
	codes.Unauthenticated:    Denied,
	codes.ResourceExhausted:  TooMuch,
	codes.Unavailable:        Unavailable,
	codes.Canceled:           Canceled,
	codes.DeadlineExceeded:   Canceled,
}

// failed is the error of a call.
func failed(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	e := &Error{Code: codeOf[s.Code()], Message: s.Message(), after: wire.RetryDelay(err)}
	if wire.IsStale(err) {
		e.Code = Expired
	}
	switch s.Code() {
	case codes.Canceled:
		e.cause = context.Canceled
	case codes.DeadlineExceeded:
		e.cause = context.DeadlineExceeded
	default:
	}
	e.noConnection()
	return e
}
