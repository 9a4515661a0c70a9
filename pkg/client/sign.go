package client

import (
	"crypto/rand"
	"strings"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Signed is a job that is ready to be submitted, as often as it takes. It does
// not change, and is safe for concurrent use.
type Signed struct {
	ID      string // of the job, made by Sign; do not change it
	header  *accessv1.SubmitJobHeader
	targets *Targets
}

// Sign makes a job of a request for a frozen list, under a new id, and signs it
// with the user's key: from here on nobody can change what runs, or where. Hosts,
// Selector and All of the request are not looked up again; the selector is signed
// as text. It asks no server. Times begin now: submit soon.
//
// The error has code Invalid and says what cannot be.
func (c *Client) Sign(r Request, t *Targets) (*Signed, error) {
	now := time.Now().Truncate(time.Millisecond) // as the id has it: a deadline counts from that
	id, err := newID(now)
	if err != nil {
		return nil, &Error{Code: Internal, Message: err.Error()}
	}
	return c.signAs(id, now, r, t)
}

func (c *Client) signAs(id job.ID, now time.Time, r Request, t *Targets) (*Signed, error) {
	if err := readable("note", r.Note); err != nil { // all else is checked by what signs it
		return nil, err
	}
	times, err := timesOf(r, now)
	if err != nil {
		return nil, err
	}
	command, err := commandOf(r.Command)
	if err != nil {
		return nil, err
	}
	rollout, err := rolloutOf(r, times.deadline)
	if err != nil {
		return nil, err
	}
	parent, err := parentOf(r)
	if err != nil {
		return nil, err
	}
	if r.Class == "" {
		r.Class = DefaultClass
	}
	payload := capsule.Payload{
		JobID: id, Account: r.Account, Class: r.Class, Selector: r.Selector,
		Root: t.root(), Count: uint64(t.Len()),
		NotBefore: now.Add(-clockSkew), NotAfter: times.startBy, RerunUntil: times.rerunUntil,
		Parent: parent, Command: command,
	}
	envelope, err := capsule.Sign(payload, c.key)
	if err != nil {
		return nil, invalid("cannot sign the job: %s", strings.TrimPrefix(err.Error(), "cannot sign: malformed capsule: "))
	}
	return &Signed{
		ID:      id.String(),
		targets: t,
		header: &accessv1.SubmitJobHeader{
			Capsule:    wire.EnvelopeToProto(envelope),
			Rollout:    rollout,
			Resolution: t.resolved,
			Note:       r.Note,
		},
	}, nil
}

func (t *Targets) root() capsule.Hash {
	leaves := make([]capsule.Hash, t.list.Len())
	for i := range leaves {
		target := t.list.At(uint32(i))
		leaves[i] = capsule.LeafHash(target.Host, target.Incarnation)
	}
	return capsule.Root(leaves)
}

func newID(now time.Time) (job.ID, error) {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		return job.ID{}, err
	}
	return job.NewID(now, random), nil
}

// parentOf is the job that a request retries; zero if none.
func parentOf(r Request) (job.ID, error) {
	if r.RetryOf == "" {
		return job.ID{}, nil
	}
	id, err := job.ParseID(r.RetryOf)
	if err != nil {
		return job.ID{}, invalid("the job to retry: %q: %s", r.RetryOf, err)
	}
	return id, nil
}

type times struct{ startBy, deadline, rerunUntil time.Time }

func timesOf(r Request, now time.Time) (times, error) {
	if r.Deadline < 0 || r.TTL < 0 || r.RerunUntil < 0 {
		return times{}, invalid("deadline, ttl and rerun-until must not be negative; leave them out for the defaults")
	}
	if r.Deadline == 0 {
		r.Deadline = DefaultDeadline
	}
	if r.Deadline > job.MaxLife {
		return times{}, invalid("deadline %s is more than %s (30 days), the longest that a job may take", r.Deadline, job.MaxLife)
	}
	if r.TTL == 0 {
		r.TTL = r.Deadline
	}
	if r.TTL > r.Deadline {
		return times{}, invalid("ttl %s is longer than the deadline %s: no host could start after the job has ended", r.TTL, r.Deadline)
	}
	out := times{startBy: now.Add(r.TTL), deadline: now.Add(r.Deadline)}
	switch {
	case r.Command.Attempts <= 1 && r.RerunUntil > 0:
		return times{}, invalid("rerun-until says until when a lost command is started again, and it never is; give attempts of 2 or more")
	case r.RerunUntil > r.Deadline:
		return times{}, invalid("rerun-until %s is longer than the deadline %s: nothing could start after the job has ended", r.RerunUntil, r.Deadline)
	case r.Command.Attempts > 1 && r.RerunUntil == 0:
		out.rerunUntil = out.deadline
	case r.Command.Attempts > 1:
		out.rerunUntil = now.Add(r.RerunUntil)
	}
	return out, nil
}

func commandOf(c Command) (capsule.Command, error) {
	out := capsule.Command{
		Timeout: c.Timeout, TimeoutAction: capsule.TimeoutKill, Grace: c.Grace,
		Recovery: capsule.RecoveryReport, MaxAttempts: 1,
	}
	if c.TimeoutAction == Report {
		out.TimeoutAction = capsule.TimeoutReport
	}
	switch {
	case c.Attempts < 0 || c.Attempts > capsule.MaxAttempts:
		return out, invalid("attempts must be 1 to %d, not %d", capsule.MaxAttempts, c.Attempts)
	case c.Attempts > 1:
		out.Recovery, out.MaxAttempts = capsule.RecoveryRerun, uint16(c.Attempts)
	}
	switch {
	case c.Ping && len(c.Argv) == 0 && len(c.Script) == 0:
		out.Kind = capsule.Ping
		return out, nil
	case !c.Ping && len(c.Argv) > 0 && len(c.Script) == 0:
		out.Kind, out.Argv = capsule.Argv, c.Argv
	case !c.Ping && len(c.Argv) == 0 && len(c.Script) > 0:
		out.Kind, out.Script, out.Interpreter = capsule.Script, c.Script, c.Interpreter
		if len(out.Interpreter) == 0 {
			out.Interpreter = []string{"/bin/sh"}
		}
	default:
		return out, invalid("a command is a program with arguments, or a script, or a ping: give exactly one of the three")
	}
	out.Env, out.Cwd, out.Stdin, out.RunAs = c.Env, c.Cwd, c.Stdin, c.RunAs
	err := settingsOf(c, &out)
	return out, err
}
