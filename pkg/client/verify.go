package client

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// Verify checks that the host of a task signed its result: state, reason, exit
// code, signal, attempt, times to the nanosecond and both outputs, for this job
// and this incarnation of the host (docs/capsule.md, section 5). The task is to
// be as [Client.Tasks], [Client.Results] or [Client.Watch] gave it.
//
// The key is that of the host table, which the servers keep: a server that lies
// about a result is found out, one that also lies about the key is not. The
// message of a task is not signed, nor is whether it was unreachable or overdue.
//
// Codes, beside those of [Client.Host], which is asked once at each call:
//
//   - NotSigned: the schedulers gave the outcome, as with SKIPPED and UNKNOWN, and
//     no host vouches for it;
//   - Corrupt: the signature does not hold, or is missing where only a host can
//     give the outcome, as with SUCCEEDED;
//   - WrongState: the task is not settled yet;
//   - NotFound: the host table has no such host;
//   - Denied: the host's key is not accepted, or no longer;
//   - Invalid: jobID is no id, or the task is no task.
func (c *Client) Verify(ctx context.Context, jobID string, t Task) error {
	claim, err := claimOf(jobID, t)
	if err != nil {
		return err
	}
	if !t.Settled() {
		return &Error{Code: WrongState, Message: "the task of " + t.Host + " is " + t.State + ": nobody signs it before it has an outcome; wait for that"}
	}
	if len(t.Signature) == 0 {
		return unsigned(t, claim.Report)
	}
	var row *typesv1.Host
	err = retry(ctx, readFor, func() error {
		resp, err := c.access.GetHost(ctx, &accessv1.GetHostRequest{Host: t.Host})
		row = resp.GetHost()
		return failed(err)
	})
	if err != nil {
		return err
	}
	if row.GetId() != t.Host { // it was found by its address
		return &Error{Code: NotFound, Message: "there is no host " + t.Host + " any more: nobody knows its key"}
	}
	if row.GetKeyState() != typesv1.KeyState_KEY_STATE_ACCEPTED {
		return &Error{Code: Denied, Message: "the key of host " + t.Host + " is " + hostFrom(row).KeyState + ": what it signed counts for nothing"}
	}
	return verify(claim, t, row)
}

// unsigned says what it means that an outcome has no signature.
func unsigned(t Task, r task.Report) error {
	if !mayBeTheirs(r) {
		return corrupt("the result %s of host %s has no signature, and nobody but the host can give it: do not trust it, and report this", t.State, t.Host)
	}
	return &Error{Code: NotSigned, Message: "the outcome " + t.State + " of host " + t.Host + " was given by the schedulers: no host signed it"}
}

// mayBeTheirs reports whether a scheduler may give an outcome without its host.
func mayBeTheirs(r task.Report) bool {
	if r.Exit.Reason == task.Killed { // of the two ways to be canceled, that is the host's
		return false
	}
	for e := range task.Transitions() {
		if e.By == task.Scheduler && e.To == r.State {
			return true
		}
	}
	return false
}

// verify checks a signature. That a process wrote nothing to a stream and that
// there was none to write to are one thing in a Task and two in what is signed.
func verify(claim capsule.Result, t Task, row *typesv1.Host) error {
	var last error
	for _, streams := range [][]job.Stream{{job.Stdout, job.Stderr}, {}, {job.Stdout}, {job.Stderr}} {
		outputs, ok := outputsOf(t, streams)
		if !ok {
			continue
		}
		claim.Outputs = outputs
		if last = capsule.VerifyResult(claim, t.Signature, ed25519.PublicKey(row.GetPublicKey())); last == nil {
			return nil
		}
	}
	if errors.Is(last, capsule.ErrMalformed) {
		return corrupt("the result of host %s is none that a host can sign: do not trust it, and report this: %v", t.Host, last)
	}
	hint := ""
	if hex.EncodeToString(row.GetIncarnation()) != t.Incarnation {
		hint = " (the host was set up anew since, perhaps with another key)"
	}
	return corrupt("the result of host %s does not bear its signature%s: do not trust it", t.Host, hint)
}

// outputsOf are the outputs of a task, where those streams are listed; false: one
// is not listed that has something.
func outputsOf(t Task, listed []job.Stream) (refs []job.OutputRef, ok bool) {
	for stream, ref := range map[job.Stream]OutputRef{job.Stdout: t.Stdout, job.Stderr: t.Stderr} {
		if !slices.Contains(listed, stream) && ref != (OutputRef{}) {
			return nil, false
		}
	}
	for _, stream := range listed {
		ref := t.Stdout
		if stream == job.Stderr {
			ref = t.Stderr
		}
		o := job.OutputRef{Stream: stream, Size: ref.Size, Cut: ref.Cut, Tail: ref.Tail}
		copy(o.Digest[:], digestOf(ref))
		refs = append(refs, o)
	}
	return refs, true
}

// digestOf is empty if ref does not name one.
func digestOf(ref OutputRef) []byte {
	digest, err := hex.DecodeString(ref.Digest)
	if err != nil || len(digest) != sha256.Size {
		return nil
	}
	return digest
}

// claimOf is what the host would have signed, but for the outputs.
func claimOf(jobID string, t Task) (capsule.Result, error) {
	id, err := job.ParseID(jobID)
	if err != nil {
		return capsule.Result{}, invalid("%q is not the id of a job: %v", jobID, err)
	}
	state, known := task.ParseState(t.State)
	reason, alsoKnown := task.ParseReason(t.Reason)
	if !known || !alsoKnown {
		return capsule.Result{}, invalid("the task of %s is %s %s, which this version does not know: take a newer one", t.Host, t.State, t.Reason)
	}
	if int(uint32(t.Attempt)) != t.Attempt || t.ExitCode != t.ExitCode&0xff || t.Signal != t.Signal&0x7f {
		return capsule.Result{}, invalid("the task of %s has the attempt %d, exit code %d and signal %d: there are none such", t.Host, t.Attempt, t.ExitCode, t.Signal)
	}
	for _, ref := range []OutputRef{t.Stdout, t.Stderr} {
		if ref.Digest != "" && digestOf(ref) == nil {
			return capsule.Result{}, invalid("the task of %s names an output %q, and that is no digest", t.Host, ref.Digest)
		}
	}
	claim := capsule.Result{
		JobID: id, Host: fleet.HostID(t.Host), Started: t.StartedAt, Ended: t.EndedAt,
		Report: task.Report{
			Attempt: uint32(t.Attempt), State: state,
			Exit: task.Exit{Reason: reason, Code: int32(t.ExitCode), Signal: int32(t.Signal)},
		},
	}
	incarnation, err := hex.DecodeString(t.Incarnation)
	if err != nil || len(incarnation) != len(claim.Incarnation) {
		return capsule.Result{}, invalid("the task of %s has the incarnation %q: 32 hex digits are needed", t.Host, t.Incarnation)
	}
	copy(claim.Incarnation[:], incarnation)
	return claim, nil
}
