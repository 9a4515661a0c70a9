package client_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// signer is a host that has run a command.
type signer struct {
	key    ed25519.PrivateKey
	result capsule.Result
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := identity.NewKey()
	must(t, err)
	return &signer{key, capsule.Result{
		JobID: job.NewID(time.Now(), [10]byte{1}), Host: "h1", Incarnation: fleet.Incarnation{1, 2, 3},
		Report:  task.Report{Attempt: 1, State: task.Failed, Exit: task.Exit{Code: 3}},
		Started: time.Unix(1_700_000_000, 123_456_789), Ended: time.Unix(1_700_000_001, 1),
		Outputs: []job.OutputRef{{Stream: job.Stdout, Digest: sha256.Sum256([]byte("out")), Size: 3}, {Stream: job.Stderr, Cut: 9}},
	}}
}

// row is what the host table says of the host.
func (s *signer) row() *typesv1.Host {
	return &typesv1.Host{
		Id: string(s.result.Host), Incarnation: s.result.Incarnation[:],
		PublicKey: s.key.Public().(ed25519.PublicKey), KeyState: typesv1.KeyState_KEY_STATE_ACCEPTED,
	}
}

// task is the host's task as the SDK hands it out.
func (s *signer) task(r *rig) client.Task {
	r.t.Helper()
	signature, err := capsule.SignResult(s.result, s.key)
	must(r.t, err)
	return s.taskSigned(r, signature)
}

func (s *signer) taskSigned(r *rig, signature []byte) client.Task {
	r.t.Helper()
	r.access.host = s.row()
	r.access.pages, r.access.task = 1, func(int) *typesv1.Task {
		return &typesv1.Task{
			HostId: string(s.result.Host), Incarnation: s.result.Incarnation[:],
			Result: wire.ResultToProto(s.result.Report, job.Detail{
				Outputs: s.result.Outputs, StartedAt: s.result.Started, EndedAt: s.result.Ended, Signature: signature,
			}),
		}
	}
	tasks, err := collect(r.Tasks(r.t.Context(), s.result.JobID.String(), client.TaskFilter{}))
	must(r.t, err)
	return tasks[0]
}

func TestAResultThatItsHostSignedIsVerified(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for name, change := range map[string]func(*capsule.Result){
			"both outputs named":        func(*capsule.Result) {},
			"nothing written":           func(c *capsule.Result) { c.Outputs = []job.OutputRef{{Stream: job.Stdout}, {Stream: job.Stderr}} },
			"no outputs, as of a ping":  func(c *capsule.Result) { c.Outputs = nil },
			"one output, and it is err": func(c *capsule.Result) { c.Outputs = c.Outputs[1:] },
			"one output, and empty":     func(c *capsule.Result) { c.Outputs = []job.OutputRef{{Stream: job.Stderr}} },
			"a process that did not start": func(c *capsule.Result) {
				c.Report = task.Report{Attempt: 2, State: task.StartFailed, Exit: task.Exit{Reason: task.NoFile}}
				c.Started, c.Ended, c.Outputs = time.Time{}, time.Time{}, nil
			},
			"a signal": func(c *capsule.Result) { c.Report.Exit = task.Exit{Reason: task.Signaled, Signal: 11} },
		} {
			s := newSigner(t)
			change(&s.result)
			if err := r.Verify(t.Context(), s.result.JobID.String(), s.task(r)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestATaskThatWasKeptAsJSONCanStillBeVerified(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := newSigner(t)
		text, err := json.Marshal(s.task(r))
		must(t, err)
		var kept client.Task
		must(t, json.Unmarshal(text, &kept))
		must(t, r.Verify(t.Context(), s.result.JobID.String(), kept))
	})
}

func TestWhatAHostDidNotSignIsCorrupt(t *testing.T) {
	for name, lie := range map[string]func(*client.Task){
		"another host":         func(c *client.Task) { c.Host = "h2" },
		"another incarnation":  func(c *client.Task) { c.Incarnation = "02" + c.Incarnation[2:] },
		"another attempt":      func(c *client.Task) { c.Attempt++ },
		"another state":        func(c *client.Task) { c.State = "SUCCEEDED" },
		"another reason":       func(c *client.Task) { c.Reason = "signaled" },
		"another exit code":    func(c *client.Task) { c.ExitCode = 0 },
		"another signal":       func(c *client.Task) { c.Signal = 9 },
		"a later start":        func(c *client.Task) { c.StartedAt = c.StartedAt.Add(1) },
		"another end":          func(c *client.Task) { c.EndedAt = time.Time{} },
		"another output":       func(c *client.Task) { c.Stdout.Digest = "00" + c.Stdout.Digest[2:] },
		"another size":         func(c *client.Task) { c.Stdout.Size++ },
		"nothing written":      func(c *client.Task) { c.Stdout = client.OutputRef{} },
		"streams changed over": func(c *client.Task) { c.Stdout, c.Stderr = c.Stderr, c.Stdout },
		"less cut":             func(c *client.Task) { c.Stderr.Cut-- },
		"nothing cut":          func(c *client.Task) { c.Stderr = client.OutputRef{} },
		"another signature":    func(c *client.Task) { c.Signature = make([]byte, 64) },
		"half a signature":     func(c *client.Task) { c.Signature = c.Signature[:32] },
		"no signature":         func(c *client.Task) { c.Signature = nil },
		"what none can sign":   func(c *client.Task) { c.State = "SKIPPED" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				s := newSigner(r.t)
				got := s.task(r)
				lie(&got)
				r.access.host.Id = got.Host
				wantError(r.t, r.Verify(r.t.Context(), s.result.JobID.String(), got), client.Corrupt, got.Host)
			})
		})
	}
}

func TestASignatureIsGoodForItsJobAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		s := newSigner(r.t)
		other := job.NewID(time.Now(), [10]byte{2})
		wantError(r.t, r.Verify(r.t.Context(), other.String(), s.task(r)), client.Corrupt, "does not bear its signature")
	})
}

func TestAnOutcomeThatOnlySchedulersGaveIsNotSigned(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for _, c := range []struct {
			state  task.State
			reason task.Reason
			want   client.Code
		}{
			{task.Unknown, task.Silent, client.NotSigned},
			{task.Skipped, task.JobCanceled, client.NotSigned},
			{task.Expired, task.StartByPassed, client.NotSigned},
			{task.Canceled, task.BeforeStart, client.NotSigned},
			{task.Lost, task.StateWiped, client.NotSigned},
			// These nobody can know but the host.
			{task.Canceled, task.Killed, client.Corrupt},
			{task.Refused, task.BadSignature, client.Corrupt},
			{task.StartFailed, task.NoFile, client.Corrupt},
			{task.TimedOut, task.Timeout, client.Corrupt},
			{task.Failed, task.NoReason, client.Corrupt},
			{task.Succeeded, task.NoReason, client.Corrupt},
		} {
			s := newSigner(t)
			s.result.Report = task.Report{Attempt: 1, State: c.state, Exit: task.Exit{Reason: c.reason}}
			err := r.Verify(t.Context(), s.result.JobID.String(), s.taskSigned(r, nil))
			wantError(t, err, c.want, c.state.String())
		}
		if r.access.called("GetHost") != 0 {
			t.Error("the host table was asked for nothing")
		}
	})
}

func TestVerifyingTellsWhyItCannotSay(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := newSigner(t)
		for says, c := range map[string]struct {
			code   client.Code
			change func(c *client.Task, id *string)
		}{
			"is RUNNING: nobody signs it":      {client.WrongState, func(c *client.Task, _ *string) { c.State, c.Signature = "RUNNING", nil }},
			"unknown host h1":                  {client.NotFound, func(*client.Task, *string) { r.refuses("GetHost", codes.NotFound, "unknown host h1") }},
			"there is no host h1 any more":     {client.NotFound, func(*client.Task, *string) { r.access.host.Id = "h7" }},
			"the key of host h1 is REVOKED":    {client.Denied, func(*client.Task, *string) { r.access.host.KeyState = typesv1.KeyState_KEY_STATE_REVOKED }},
			"perhaps with another key":         {client.Corrupt, func(*client.Task, *string) { *r.access.host = *anew(t) }},
			"h1 does not bear its signature":   {client.Corrupt, func(*client.Task, *string) { r.access.host.PublicKey = nil }},
			`"j" is not the id of a job`:       {client.Invalid, func(_ *client.Task, id *string) { *id = "j" }},
			"which this version does not know": {client.Invalid, func(c *client.Task, _ *string) { c.State = "4711" }},
			"FAILED bored, which this version": {client.Invalid, func(c *client.Task, _ *string) { c.Reason = "bored" }},
			"32 hex digits are needed":         {client.Invalid, func(c *client.Task, _ *string) { c.Incarnation = "" }},
			"and that is no digest":            {client.Invalid, func(c *client.Task, _ *string) { c.Stderr.Digest = "abc" }},
			"there are none such":              {client.Invalid, func(c *client.Task, _ *string) { c.Attempt += 1 << 32 }},
			"exit code 259 and signal 0":       {client.Invalid, func(c *client.Task, _ *string) { c.ExitCode += 256 }},
			"no scheduler owns this part":      {client.Unavailable, func(*client.Task, *string) { r.away("GetHost") }},
		} {
			id, got := s.result.JobID.String(), s.task(r)
			c.change(&got, &id)
			t.Log(says)
			wantError(t, r.Verify(t.Context(), id, got), c.code, says)
			r.access.answers["GetHost"] = nil
		}
		r.access.answers["GetHost"] = []error{unavailable(), unavailable()}
		must(t, r.Verify(t.Context(), s.result.JobID.String(), s.task(r)))
	})
}

// anew is the row of h1 after it was set up anew.
func anew(t *testing.T) *typesv1.Host {
	t.Helper()
	other := newSigner(t)
	other.result.Incarnation = fleet.Incarnation{7}
	return other.row()
}

// refuses lets the next call of a method fail.
func (r *rig) refuses(method string, code codes.Code, says string) {
	r.access.answers[method] = []error{status.Error(code, says)}
}

// away lets many calls of a method find nobody.
func (r *rig) away(method string) {
	for range 100 {
		r.access.answers[method] = append(r.access.answers[method], unavailable())
	}
}
