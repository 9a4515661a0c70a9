package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

// longestE is until when a command is remembered whose signed E cannot be
// believed: no job lives longer (job.MaxLife), and a day for clocks.
const longestE = job.MaxLife + 24*time.Hour

// judge verifies deliveries for one host.
type judge struct {
	host        fleet.HostID
	incarnation fleet.Incarnation
	bundle      policy.Bundle
	frozen      func() (spool.Freeze, error) // the operator's word, as spool.Frozen tells it; nil: there is none
}

// verdict is what a delivery is found to be.
type verdict struct {
	payload  capsule.Payload // only if taken
	refusal  task.Report     // REFUSED or EXPIRED; zero: taken
	why      error           // of the refusal, for the log and the person
	ticket   ticket
	remember time.Time // E
}

func (v verdict) taken() bool { return v.refusal == task.Report{} }

// verify judges in the order of architecture section 7: bundle, signature, form,
// time, target, local freeze. Whatever is refused keeps as much of E as can be believed, so
// that the refusal is remembered at least as long as anybody could start it.
func (j judge) verify(now time.Time, d wire.Delivery) verdict {
	v := verdict{ticket: ticketFor(d.Pool, d.Class, d.Proof.Index)}
	var reason task.Report
	v.payload, v.why = j.check(now, d)
	switch state, why := capsule.Outcome(v.why); {
	case v.why == nil:
		v.remember, v.ticket.class = v.payload.E(), v.payload.Class
		return v
	case errors.Is(v.why, errStaleBundle):
		reason = refused(task.BundleStale)
	case errors.Is(v.why, errFrozen):
		reason = refused(task.Frozen)
	case state != task.Unspecified:
		reason = task.Report{State: state, Exit: task.Exit{Reason: why}}
	default:
		reason = refused(task.Malformed)
	}
	reason.Attempt = d.Attempt
	v.refusal, v.remember = reason, rememberRefused(now, d)
	return v
}

func refused(why task.Reason) task.Report {
	return task.Report{State: task.Refused, Exit: task.Exit{Reason: why}}
}

// errStaleBundle: there is no bundle, or it is past its expiry.
var errStaleBundle = errors.New("the bundle of users' keys is missing or past its expiry")

// errParentLives: a retry came while what it retries has not ended here.
var errParentLives = errors.New("the task that this one retries still lives on this host: wait for its end, or cancel it")

// Faults beyond those of the capsule itself. All are REFUSED as malformed: the
// user signed something else.
var (
	errOtherJob = errors.New("the command and its capsule are of different jobs")
	errDigest   = errors.New("the capsule is not the one that the command names")
	errAttempt  = errors.New("the signed recovery allows fewer attempts")
)

func (j judge) check(now time.Time, d wire.Delivery) (capsule.Payload, error) {
	if j.bundle.Stale(now) && !planted.Bug("a stale bundle is believed") {
		return capsule.Payload{}, fmt.Errorf("%w: version %d is held here", errStaleBundle, j.bundle.Version)
	}
	if d.Capsule == nil || d.Capsule.Digest() != d.Digest {
		return capsule.Payload{}, errDigest
	}
	verified, err := capsule.Verify(*d.Capsule, j.bundle)
	if err != nil {
		return capsule.Payload{}, err
	}
	p := verified.Payload
	if err := capsule.CheckTimes(now, p, d.Attempt, capsule.ClockSkew); err != nil {
		return capsule.Payload{}, err
	}
	if err := p.CheckTarget(j.host, j.incarnation, d.Proof); err != nil && !planted.Bug("target not proven") {
		return capsule.Payload{}, err
	}
	switch {
	case p.JobID != d.Job && !planted.Bug("one capsule serves every job"):
		return capsule.Payload{}, fmt.Errorf("%w: it names %s, and job %s is signed", errOtherJob, d.Job, p.JobID)
	case d.Attempt > uint32(p.Command.MaxAttempts):
		return capsule.Payload{}, fmt.Errorf("%w: this is attempt %d of %d", errAttempt, d.Attempt, p.Command.MaxAttempts)
	}
	if p.Command.Kind != capsule.Ping { // which starts nothing
		if err := j.thawed(now); err != nil {
			return capsule.Payload{}, err
		}
	}
	return p, nil
}

// errFrozen: an operator of the host has said that it starts nothing new.
var errFrozen = errors.New("this host is frozen")

// thawed is why nothing may be started now. A word that cannot be read is one all
// the same.
func (j judge) thawed(now time.Time) error {
	if j.frozen == nil {
		return nil
	}
	f, err := j.frozen()
	switch {
	case errors.Is(err, spool.ErrMissing), err == nil && f.Over(now):
		return nil
	case err != nil:
		return fmt.Errorf("%w, and what its operator has written of it cannot be read: %w", errFrozen, err)
	}
	text := " since " + f.Since.UTC().Format(time.RFC3339)
	if f.By != "" {
		text += " by " + f.By
	}
	if !f.Until.IsZero() {
		text += " until " + f.Until.UTC().Format(time.RFC3339)
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return fmt.Errorf("%w%s", errFrozen, text)
}

// rememberRefused is E of what was refused: nobody vouches for the bytes, so an
// E that no job can have is not believed.
func rememberRefused(now time.Time, d wire.Delivery) time.Time {
	longest := now.Add(longestE)
	if d.Capsule == nil {
		return longest
	}
	p, err := capsule.Open(*d.Capsule)
	if err != nil || p.JobID != d.Job || p.E().After(longest) {
		return longest
	}
	return p.E()
}

// wordsOf is why the host would not, for a person; only with REFUSED and EXPIRED.
func wordsOf(why error, r task.Report) string {
	if why == nil || r.State != task.Refused && r.State != task.Expired {
		return ""
	}
	text := why.Error()
	return strings.ToValidUTF8(text[:min(len(text), wire.MaxMessageText)], "")
}
