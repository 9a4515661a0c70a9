package capsule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// Limits of a payload; docs/capsule.md lists them with the grammar.
const (
	MaxPayload     = 3 << 19 // bytes of the whole encoding: 1.5 MiB
	MaxScript      = 1 << 20
	MaxStdin       = 1 << 20
	MaxArguments   = 128 << 10 // argv, interpreter and env: the length of each + 1
	MaxOutputLimit = 16 << 20
	MaxSelector    = 4 << 10
	MaxToken       = 16 << 10
	MaxTargets     = 500_000
	MaxTimeout     = 30 * 24 * time.Hour
	MaxGrace       = time.Hour
	MaxAttempts    = 100
	// MaxLife is how far after the job id's time a host may be asked to start
	// it, and so to remember it: a job's 30 days (job.MaxLife) and a day for the
	// difference of clocks (job.MaxIDSkew).
	MaxLife  = job.MaxLife + job.MaxIDSkew
	maxName  = 64
	maxClass = 32
	maxPath  = 4 << 10
)

// faults collects everything that is wrong, so that a person sees it at once.
type faults []error

func (f *faults) addf(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) atMost(what string, n, limit uint64) {
	if n > limit {
		f.addf("%s is %d, at most %d is allowed", what, n, limit)
	}
}

func (f *faults) text(what, s string) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		f.addf("%s is not UTF-8 without NUL", what)
	}
}

func (f *faults) name(what, s string, least, limit int) {
	if len(s) < least || len(s) > limit {
		f.addf("%s has %d bytes, %d to %d are allowed", what, len(s), least, limit)
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		f.addf("%s %q has other characters than a-z 0-9 . _ -", what, s)
	}
}

// Validate says everything that keeps the payload from being a payload; its
// error wraps ErrMalformed. Marshal and Parse both call it.
func (p Payload) Validate() error {
	var f faults
	if !p.JobID.Valid() {
		f.addf("job id is not a UUIDv7")
	}
	if !p.Parent.IsZero() && (!p.Parent.Valid() || p.Parent == p.JobID) {
		f.addf("parent is not the UUIDv7 of another job")
	}
	f.name("account", p.Account, 0, maxName)
	f.name("class", p.Class, 1, maxClass)
	f.atMost("length of selector", uint64(len(p.Selector)), MaxSelector)
	f.text("selector", p.Selector)
	if p.Count == 0 {
		f.addf("there are no targets")
	}
	f.atMost("number of targets", p.Count, MaxTargets)
	f.atMost("length of token", uint64(len(p.Token)), MaxToken)
	p.validateTimes(&f)
	p.Command.validate(&f)
	if len(f) > 0 {
		return fmt.Errorf("%w capsule: %w", ErrMalformed, errors.Join(f...))
	}
	return nil
}

func (p Payload) validateTimes(f *faults) {
	for _, t := range []struct {
		what string
		at   time.Time
	}{{"not-before", p.NotBefore}, {"not-after", p.NotAfter}, {"rerun-until", p.RerunUntil}} {
		if t.what == "rerun-until" && t.at.IsZero() {
			continue
		}
		if !representable(t.at) {
			f.addf("%s is not between 1970 and 2262", t.what)
			return
		}
	}
	if by := p.E(); by.After(p.JobID.Time().Add(MaxLife)) {
		f.addf("the last start is at %s, more than 31 days after the job id was made (%s)", by.UTC().Format(time.RFC3339), p.JobID.Time().Format(time.RFC3339))
	}
	if !p.NotAfter.After(p.NotBefore) {
		f.addf("not-after is not after not-before")
	}
	rerun := p.Command.Recovery == RecoveryRerun
	switch {
	case rerun && !p.RerunUntil.After(p.NotBefore):
		f.addf("recovery is rerun, so rerun-until must be set, after not-before")
	case !rerun && !p.RerunUntil.IsZero():
		f.addf("rerun-until is set, but recovery is not rerun")
	}
}

// representable reports whether t is 1 to 2^63-1 nanoseconds after the epoch.
func representable(t time.Time) bool {
	return t.After(time.Unix(0, 0)) && !t.After(time.Unix(0, 1<<63-1))
}

// fromTime is only called with what representable admits, or the zero time.
func fromTime(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}
