package obs

import (
	"errors"
	"strings"
)

// Unready is a reason not to be ready that has one behind it which is not for
// everybody, such as an error of the job store with paths and addresses: Text
// alone is shown to who asks, the whole goes to the log. A [Check] answers it as
// a value; what wraps nothing, such as a sentinel, needs no Unready.
type Unready struct {
	Text string // what is missing, for anybody
	Err  error  // why, for the log; nil: there is no more to say
}

// Error is the whole.
func (u Unready) Error() string {
	if u.Err == nil {
		return u.Text
	}
	return u.Text + ": " + u.Err.Error()
}

// Unwrap is what is behind it.
func (u Unready) Unwrap() error { return u.Err }

// untold stands for a reason that nobody has said is for everybody.
const untold = "not ready; its log says why"

// Reason is what of the answer of a [Check] is for anybody: the Text of an
// [Unready], the words of an error that wraps nothing, and of errors that were
// joined one line each. Of others nothing is told, not even the part in front:
// nobody has looked at it.
func Reason(why error) string {
	switch known := why.(type) { //nolint:errorlint // the outermost is meant: what it wraps is not for everybody
	case nil:
		return ""
	case Unready:
		return known.Text
	case interface{ Unwrap() []error }:
		var lines []string
		for _, one := range known.Unwrap() {
			lines = append(lines, Reason(one))
		}
		return strings.Join(lines, "\n")
	}
	if errors.Is(why, ErrDraining) {
		return ErrDraining.Error()
	}
	if errors.Unwrap(why) != nil {
		return untold
	}
	return why.Error()
}
