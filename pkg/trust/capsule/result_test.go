package capsule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func failed() capsule.Result {
	return capsule.Result{
		JobID: jobID(1), Host: "h1.bj01", Incarnation: fleet.Incarnation{5},
		Report:  task.Report{Attempt: 1, State: task.Failed, Exit: task.Exit{Reason: task.Signaled, Code: 137, Signal: 9}},
		Started: noon.Add(1), Ended: noon.Add(time.Second),
		Outputs: []job.OutputRef{{Stream: 1, Digest: [32]byte{1}, Size: 10, Cut: 3}, {Stream: 2}},
	}
}

func TestAResultIsTheHostsOwn(t *testing.T) {
	sig, err := capsule.SignResult(failed(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := capsule.VerifyResult(failed(), sig, public(1)); err != nil {
		t.Error(err)
	}
	if err := capsule.VerifyResult(failed(), sig, public(2)); !errors.Is(err, capsule.ErrSignature) {
		t.Errorf("another host's key: %v", err)
	}
	for _, bad := range [][]byte{nil, sig[:63], append(sig[:63:63], sig[63]^1)} {
		if err := capsule.VerifyResult(failed(), bad, public(1)); !errors.Is(err, capsule.ErrSignature) {
			t.Errorf("another signature: %v", err)
		}
	}
	if err := capsule.VerifyResult(failed(), sig, public(1)[:31]); !errors.Is(err, capsule.ErrSignature) {
		t.Errorf("a key of wrong size: %v", err)
	}
}

func TestNoFieldOfAResultCanBeChangedUnnoticed(t *testing.T) {
	sig, err := capsule.SignResult(failed(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*capsule.Result){
		"job":         func(r *capsule.Result) { r.JobID = jobID(2) },
		"host":        func(r *capsule.Result) { r.Host = "h2.bj01" },
		"incarnation": func(r *capsule.Result) { r.Incarnation[0] = 6 },
		"attempt":     func(r *capsule.Result) { r.Report.Attempt = 2 },
		"state":       func(r *capsule.Result) { r.Report.State = task.Succeeded },
		"reason":      func(r *capsule.Result) { r.Report.Exit.Reason = task.NoReason },
		"exit code":   func(r *capsule.Result) { r.Report.Exit.Code = 0 },
		"signal":      func(r *capsule.Result) { r.Report.Exit.Signal = 0 },
		"started":     func(r *capsule.Result) { r.Started = r.Started.Add(1) },
		"ended":       func(r *capsule.Result) { r.Ended = time.Time{} },
		"outputs":     func(r *capsule.Result) { r.Outputs = r.Outputs[:1] },
		"stream": func(r *capsule.Result) {
			r.Outputs = []job.OutputRef{{Stream: 2, Digest: [32]byte{1}, Size: 10, Cut: 3}}
		},
		"digest": func(r *capsule.Result) { r.Outputs[0].Digest[0] = 2 },
		"size":   func(r *capsule.Result) { r.Outputs[0].Size = 11 },
		"cut":    func(r *capsule.Result) { r.Outputs[1].Cut = 1 },
		"tail":   func(r *capsule.Result) { r.Outputs[0].Cut, r.Outputs[0].Tail = 1, 1 },
	} {
		r := failed()
		change(&r)
		if err := capsule.VerifyResult(r, sig, public(1)); !errors.Is(err, capsule.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatComesAfterACutIsSigned(t *testing.T) {
	cut := func(tail, cut uint64) capsule.Result {
		r := failed()
		r.Outputs = []job.OutputRef{{Stream: 1, Digest: [32]byte{1}, Size: 10, Cut: cut, Tail: tail}, {Stream: 2}}
		return r
	}
	sig, err := capsule.SignResult(cut(5, 3), key(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := capsule.VerifyResult(cut(5, 3), sig, public(1)); err != nil {
		t.Error(err)
	}
	for _, other := range []capsule.Result{cut(4, 3), cut(0, 3), cut(5, 4)} {
		if err := capsule.VerifyResult(other, sig, public(1)); !errors.Is(err, capsule.ErrSignature) {
			t.Errorf("%+v: %v", other.Outputs[0], err)
		}
	}
	for _, wrong := range []capsule.Result{cut(11, 3), cut(5, 0)} {
		if _, err := capsule.SignResult(wrong, key(1)); !errors.Is(err, capsule.ErrMalformed) {
			t.Errorf("%+v was signed: %v", wrong.Outputs[0], err)
		}
	}
}

func TestATierMayWriteTheDigestOfNothingAsItLikes(t *testing.T) {
	sig, err := capsule.SignResult(failed(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	r := failed()
	r.Outputs[1].Digest = [32]byte{0xe3, 0xb0}
	r.Ended = r.Ended.In(time.FixedZone("somewhere", 3600))
	if err := capsule.VerifyResult(r, sig, public(1)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoOutcomeOfAHostIsNotSigned(t *testing.T) {
	for say, change := range map[string]func(*capsule.Result){
		"job id is not":       func(r *capsule.Result) { r.JobID[6] = 0 },
		"host id has 0":       func(r *capsule.Result) { r.Host = "" },
		"host id has 129":     func(r *capsule.Result) { r.Host = fleet.HostID(strings.Repeat("h", 129)) },
		"host id \"H\"":       func(r *capsule.Result) { r.Host = "H" },
		"incarnation is zero": func(r *capsule.Result) { r.Incarnation = fleet.Incarnation{} },
		"attempt is zero":     func(r *capsule.Result) { r.Report.Attempt = 0 },
		"state 320":           func(r *capsule.Result) { r.Report.State = task.Running },
		"state 448":           func(r *capsule.Result) { r.Report.State = task.Unknown },
		"state 512":           func(r *capsule.Result) { r.Report.State = task.Skipped },
		"exit code -1":        func(r *capsule.Result) { r.Report.Exit.Code = -1 },
		"exit code 256":       func(r *capsule.Result) { r.Report.Exit.Code = 256 },
		"signal 65":           func(r *capsule.Result) { r.Report.Exit.Signal = 65 },
		"signal -1":           func(r *capsule.Result) { r.Report.Exit.Signal = -1 },
		"a time is not":       func(r *capsule.Result) { r.Started = noon.AddDate(-100, 0, 0) },
		"stream 1 after 2":    func(r *capsule.Result) { r.Outputs[0], r.Outputs[1] = r.Outputs[1], r.Outputs[0] },
		"stream 1 after 1":    func(r *capsule.Result) { r.Outputs[1].Stream = 1 },
		"stream 3 after 1":    func(r *capsule.Result) { r.Outputs[1].Stream = 3 },
		"stream 0 after 0":    func(r *capsule.Result) { r.Outputs[0].Stream = 0 },
	} {
		r := failed()
		change(&r)
		_, err := capsule.SignResult(r, key(1))
		if !errors.Is(err, capsule.ErrMalformed) || !strings.Contains(err.Error(), say) {
			t.Errorf("want %q, got %v", say, err)
		}
		if err := capsule.VerifyResult(r, nil, public(1)); !errors.Is(err, capsule.ErrMalformed) {
			t.Errorf("%s: verify says %v", say, err)
		}
	}
}

func TestEveryOutcomeOfAHostIsSigned(t *testing.T) {
	for _, s := range []task.State{task.Expired, task.Refused, task.Canceled, task.StartFailed, task.Lost, task.TimedOut, task.Failed, task.Succeeded} {
		r := failed()
		r.Report.State, r.Started, r.Ended, r.Outputs = s, time.Time{}, time.Time{}, nil
		if _, err := capsule.SignResult(r, key(1)); err != nil {
			t.Errorf("state %d: %v", s, err)
		}
	}
}
