package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// specOf is what a job is, by its signed payload and its control information.
func specOf(p capsule.Payload, r job.Rollout, pool, submitter, note string, now time.Time) job.Spec {
	return job.Spec{
		ID: p.JobID, Pool: pool, Class: p.Class, Account: p.Account, Submitter: submitter,
		Selector: p.Selector, Note: note, Command: commandLine(p.Command), Settings: settingsLine(p.Command), Parent: p.Parent,
		Ping:      p.Command.Kind == capsule.Ping,
		NotBefore: p.NotBefore, StartBy: p.NotAfter, RerunUntil: p.RerunUntil,
		Timeout: p.Command.Timeout, TimeoutReportOnly: p.Command.TimeoutAction == capsule.TimeoutReport,
		Grace: p.Command.Grace, MaxAttempts: uint32(p.Command.MaxAttempts),
		Created: now.UTC(), Rollout: r,
	}
}

// keepUntil is until when an id is known, whatever retention says (architecture
// section 3).
func keepUntil(spec job.Spec) time.Time {
	end := spec.ID.Time().Add(job.MaxIDSkew)
	if spec.StartBy.After(end) {
		end = spec.StartBy
	}
	return end.Add(capsule.ClockSkew)
}

// maxCommandLine is how much of a command is shown, in characters.
const maxCommandLine = 200

// commandLine is a command in one line for a person. Of a script it says only
// how long it is: its body may hold secrets.
func commandLine(c capsule.Command) string {
	switch c.Kind {
	case capsule.Ping:
		return "ping"
	case capsule.Argv:
		return clip(line(c.Argv), maxCommandLine)
	case capsule.Script:
		return clip(fmt.Sprintf("%s (script of %d bytes)", line(c.Interpreter), len(c.Script)), maxCommandLine)
	}
	return ""
}

// line is words as a shell would take them, or nearly so.
func line(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quoted(word))
		if b.Len() > 4*maxCommandLine {
			break
		}
	}
	return b.String()
}

func quoted(word string) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=,@%+", r)
	}
	switch {
	case word != "" && strings.IndexFunc(word, special) < 0:
		return word
	case strings.IndexFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return strconv.Quote(word)
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func clip(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}

// bodyDigest is what makes two submissions the same: the signed bytes and the
// control information (architecture section 3). What it covers is written out
// here, so that it does not depend on a version of any encoder; a field that is
// added later is written only where it is set.
func bodyDigest(payload []byte, r job.Rollout) (digest [32]byte) {
	h := sha256.New()
	number(h, uint64(len(payload)))
	_, _ = h.Write(payload) // a hash never fails
	amount(h, r.Concurrency)
	number(h, uint64(len(r.Batches)))
	for _, b := range r.Batches {
		amount(h, b)
	}
	number(h, uint64(len(r.PauseAfter)))
	for _, n := range r.PauseAfter {
		number(h, uint64(n))
	}
	amount(h, job.Amount{Count: r.MaxFailures.Count, Percent: r.MaxFailures.Percent})
	number(h, uint64(r.FailureAction))
	number(h, uint64(r.WaitOffline))
	number(h, uint64(r.Deadline.UnixNano()))
	later(h, r)
	return [32]byte(h.Sum(nil))
}

// later writes the fields that were added after the first version, each behind
// its own number and only where it is set.
func later(h hash.Hash, r job.Rollout) {
	if r.MaxFailures.Limited {
		number(h, 1)
	}
	if r.Order != job.AsListed {
		number(h, 2)
		number(h, uint64(r.Order))
	}
	if len(r.PauseBatches) > 0 {
		number(h, 3)
		number(h, uint64(len(r.PauseBatches)))
		for _, n := range r.PauseBatches {
			number(h, uint64(n))
		}
	}
	if len(r.Tolerated) > 0 {
		number(h, 4)
		number(h, uint64(len(r.Tolerated)))
		for _, s := range r.Tolerated {
			number(h, uint64(s))
		}
	}
}

func amount(h hash.Hash, a job.Amount) {
	number(h, uint64(a.Count))
	number(h, uint64(a.Percent))
}

func number(h hash.Hash, n uint64) {
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, n)) // a hash never fails
}
