package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// only refuses one call.
func only(method string, code codes.Code) func(string) error {
	return func(called string) error {
		if called == method {
			return status.Error(code, "no")
		}
		return nil
	}
}

func TestTheExitStatusSaysHowItEnded(t *testing.T) {
	ok := func(string) outcome { return outcome{state: task.Succeeded} }
	ends := func(o outcome) func(string) outcome { return func(string) outcome { return o } }
	all, one := []string{"run", "--all", "--", "x"}, []string{"run", "--hosts", "h1", "--", "x"}
	for name, c := range map[string]struct {
		args    []string
		outcome func(string) outcome
		fail    func(string) error
		want    int
	}{
		"all succeeded":                {args: all, outcome: ok, want: exitOK},
		"a ping":                       {args: []string{"ping", "--all"}, want: exitOK},
		"some did not":                 {args: all, outcome: mixed, want: exitSome},
		"nobody was heard of":          {args: all, outcome: ends(outcome{state: task.Unknown, reason: task.Silent}), want: exitSome},
		"all expired":                  {args: all, outcome: ends(outcome{state: task.Expired, reason: task.StartByPassed}), want: exitSome},
		"one host, its status":         {args: one, outcome: ends(outcome{state: task.Failed, code: 42}), want: 42},
		"one host, a signal":           {args: one, outcome: ends(outcome{state: task.Failed, reason: task.Signaled, signal: 15}), want: 143},
		"one host, not started":        {args: one, outcome: ends(outcome{state: task.StartFailed, reason: task.NoFile}), want: exitSome},
		"one host of several, no pass": {args: []string{"run", "--hosts", "h1,h2", "--", "x"}, outcome: ends(outcome{state: task.Failed, code: 42}), want: exitSome},
		"a bad flag":                   {args: []string{"run", "--bogus"}, want: exitUsage},
		"a bad selector":               {args: []string{"run", "-l", "((", "--", "x"}, want: exitUsage},
		"no such host":                 {args: []string{"run", "--hosts", "h99", "--", "x"}, want: exitUsage},
		"no such verb":                 {args: []string{"fly"}, want: exitUsage},
		"not confirmed":                {args: []string{"run", "--all", "--confirm-above", "7", "--", "x"}, want: exitUsage},
		"detached at once":             {args: []string{"run", "--all", "--detach", "--", "x"}, want: exitOK},
		"paused and left":              {args: []string{"run", "--all", "--pause-after", "1", "--detach-on-pause", "--", "x"}, want: exitUnknown},
		"a budget that is kept":        {args: []string{"run", "--all", "--max-failures", "0", "--", "x"}, outcome: ok, want: exitOK},
		"a budget that aborts":         {args: []string{"run", "--all", "--max-failures", "0", "--on-failure", "abort", "--", "x"}, outcome: mixed, want: exitSome},
		"nothing to retry":             {args: []string{"job", "retry", "x", "--", "x"}, want: exitUsage},
		"a pause that may be heard":    {args: []string{"job", "pause", "x"}, fail: only("PauseJob", codes.Unavailable), want: exitUnknown},
		"a pause that is refused":      {args: []string{"job", "pause", "x"}, fail: only("PauseJob", codes.PermissionDenied), want: exitDenied},
		"servers away before":          {args: all, fail: only("ResolveTargets", codes.Unavailable), want: exitUnknown},
		"servers away at submit":       {args: all, fail: only("SubmitJob", codes.Unavailable), want: exitUnknown},
		"servers away afterwards":      {args: all, fail: only("WatchJob", codes.Unavailable), want: exitUnknown},
		"not allowed":                  {args: all, fail: only("SubmitJob", codes.PermissionDenied), want: exitDenied},
		"nobody known":                 {args: []string{"host", "list"}, fail: only("ListHosts", codes.Unauthenticated), want: exitDenied},
		"a read without servers":       {args: []string{"job", "list"}, fail: only("ListJobs", codes.Unavailable), want: exitUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(ctx context.Context, r *rig) {
				r.access.outcome, r.access.fail = c.outcome, c.fail
				if got := r.run(ctx, c.args...); got != c.want {
					r.t.Errorf("exit status %d, want %d:\n%s", got, c.want, r.transcript.String())
				}
			})
		})
	}
}

func TestEveryCodeOfTheClientHasAStatus(t *testing.T) {
	for code, want := range map[client.Code]int{
		client.Internal: exitUnknown, client.Invalid: exitUsage, client.NotFound: exitUsage, client.Conflict: exitUsage,
		client.Expired: exitUsage, client.WrongState: exitUsage, client.Denied: exitDenied, client.TooMuch: exitUsage,
		client.Unavailable: exitUnknown, client.Canceled: exitUnknown, client.NotSigned: exitSome, client.Corrupt: exitSome,
		client.Untrusted: exitUsage,
	} {
		if got := statusOf(errors.Join(&client.Error{Code: code})); got != want {
			t.Errorf("%s is %d, want %d", code, got, want)
		}
	}
}

func TestCtrlCAtEveryMomentSaysWhatIsKnown(t *testing.T) {
	transcript(t, "interrupted", func(ctx context.Context, r *rig) {
		hang := func(method string) {
			r.access.fail = func(called string) error {
				if called == method {
					r.interrupt()
					wait(time.Second)
				}
				return nil
			}
		}
		for _, method := range []string{"ResolveTargets", "SubmitJob", "WatchJob"} {
			hang(method)
			if got := r.run(ctx, "run", "--all", "--", "uptime"); got != exitUnknown {
				t.Errorf("%s: exit status %d", method, got)
			}
		}
		hang("GetOutput")
		r.access.outcome = mixed
		if got := r.run(ctx, "run", "--all", "--", "uptime"); got != exitUnknown {
			t.Errorf("exit status %d", got)
		}
		hang("CancelJob")
		if got := r.run(ctx, "job", "cancel", "JOB"); got != exitUnknown {
			t.Errorf("exit status %d", got)
		}
		hang("ListHosts")
		if got := r.run(ctx, "host", "list"); got != exitUnknown {
			t.Errorf("exit status %d", got)
		}
		wait(2 * time.Second) // for the servers to come to their end
	})
}
