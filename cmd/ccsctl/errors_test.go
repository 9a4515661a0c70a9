package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWhatIsTypedWrongIsSaidAndChangesNothing(t *testing.T) {
	transcript(t, "usage", func(ctx context.Context, r *rig) {
		r.write("empty", "")
		r.write("hosts", "h1\n")
		r.write("large", strings.Repeat("x", maxAttached+1))
		for _, line := range [][]string{
			{"run"},
			{"run", "--all"},
			{"run", "--", "uptime"},
			{"run", "--all", "uptime"},
			{"run", "--all", "--room", "bj01", "--", "uptime"},
			{"run", "--all", "-f", "x.sh", "--", "uptime"},
			{"run", "--all", "-f", "DIR/nowhere.sh"},
			{"run", "--all", "-f", "DIR/empty"},
			{"run", "--all", "-f", "DIR/large"},
			{"run", "--all", "-f", "-", "--stdin", "-"},
			{"run", "--hosts-file", "-", "-f", "-"},
			{"run", "--hosts-file", "-", "--stdin", "-", "--", "uptime"},
			{"run", "--hosts-file", "DIR/nowhere", "--", "uptime"},
			{"run", "--hosts-file", "DIR/empty", "--", "uptime"},
			{"run", "--all", "--hosts-file", "DIR/hosts", "--", "uptime"},
			{"run", "--all", "--on-timeout", "wait", "--", "uptime"},
			{"run", "--all", "--on-timeout", "report", "--", "uptime"},
			{"run", "--all", "--grace", "-1s", "--", "uptime"},
			{"run", "--all", "--output-limit", "much", "--", "uptime"},
			{"run", "--all", "--output-limit", "17MiB", "--", "uptime"},
			{"run", "--all", "--confirm-above", "-1", "--", "uptime"},
			{"run", "--all", "--concurrency", "0", "--", "uptime"},
			{"run", "--all", "--concurrency", "101%", "--", "uptime"},
			{"run", "--all", "--timeout", "soon", "--", "uptime"},
			{"run", "--all", "--timeout", "-1s", "--", "uptime"},
			{"run", "--all", "--timeout", "0", "--", "uptime"},
			{"run", "--all", "--ttl", "48h", "--", "uptime"},
			{"run", "--all", "--ttl", "0s", "--", "uptime"},
			{"run", "--all", "--grace", "0", "--", "uptime"},
			{"run", "--all", "--deadline", "0", "--", "uptime"},
			{"run", "--all", "--deadline", "90m", "--ttl", "24h", "--", "uptime"},
			{"run", "--all", "--spread=perhaps", "--", "uptime"},
			{"run", "--all", "--cwd", "tmp", "--", "uptime"},
			{"run", "--all", "--batch", "1,none", "--", "uptime"},
			{"run", "--all", "--batch", "1,", "--", "uptime"},
			{"run", "--all", "--batch", "0", "--", "uptime"},
			{"run", "--all", "--batch", strings.Repeat("1,", 100) + "1", "--", "uptime"},
			{"run", "--all", "--pause-after", "10,1", "--", "uptime"},
			{"run", "--all", "--pause-after", "1,1", "--", "uptime"},
			{"run", "--all", "--pause-after", "0", "--", "uptime"},
			{"run", "--all", "--pause-after", "10%", "--", "uptime"},
			{"run", "--all", "--pause-after-batch", "1", "--", "uptime"},
			{"run", "--all", "--batch", "1", "--pause-after-batch", "2,1", "--", "uptime"},
			{"run", "--all", "--wait-offline", "1m", "--", "uptime"},
			{"run", "--all", "--batch", "1", "--wait-offline", "0s", "--", "uptime"},
			{"run", "--all", "--max-failures", "few", "--", "uptime"},
			{"run", "--all", "--max-failures", "-1", "--", "uptime"},
			{"run", "--all", "--max-failures", "101%", "--", "uptime"},
			{"run", "--all", "--on-failure", "abort", "--", "uptime"},
			{"run", "--all", "--max-failures", "1", "--on-failure", "retry", "--", "uptime"},
			{"run", "--all", "--tolerate", "expired", "--", "uptime"},
			{"run", "--all", "--max-failures", "1", "--tolerate", "skipped", "--", "uptime"},
			{"run", "--all", "--max-failures", "1", "--tolerate", "unknown", "--", "uptime"},
			{"run", "--all", "--recovery", "restart", "--", "uptime"},
			{"run", "--all", "--attempts", "3", "--", "uptime"},
			{"run", "--all", "--rerun-until", "1h", "--", "uptime"},
			{"run", "--all", "--recovery", "rerun", "--attempts", "1", "--", "uptime"},
			{"run", "--all", "--recovery", "rerun", "--attempts", "0", "--", "uptime"},
			{"run", "--all", "--recovery", "rerun", "--rerun-until", "-1h", "--", "uptime"},
			{"run", "--all", "--recovery", "rerun", "--rerun-until", "48h", "--", "uptime"},
			{"run", "--all", "--detach", "--detach-on-pause", "--", "uptime"},
			{"ping", "--all", "--recovery", "rerun"},
			{"job", "pause"},
			{"job", "pause", "x", "--request-id", "short"},
			{"job", "resume", "x", "--next", "--to-end"},
			{"job", "resume", "x", "--by", "1", "--next"},
			{"job", "resume", "x", "--by", "0"},
			{"job", "resume", "x", "--by", "-1"},
			{"job", "resume", "x", "--by", "99999999999"},
			{"job", "retry"},
			{"job", "retry", "x"},
			{"job", "retry", "x", "uptime"},
			{"job", "retry", "--", "uptime"},
			{"job", "retry", "x", "--outcome", "running", "--", "uptime"},
			{"job", "retry", "x", "-f", "y", "--", "uptime"},
			{"run", "--al", "--", "uptime"},
			{"ping", "--all", "now"},
			{"job"},
			{"job", "show", "x"},
			{"job", "lst"},
			{"job", "get"},
			{"jbo", "list"},
			{"output"},
			{"output", "x", "y", "z"},
			{"output", "x", "--raw", "--grouped"},
			{"output", "x", "-o", "json", "--raw"},
			{"explain", "x"},
			{"task", "list"},
			{"task", "list", "x", "--state", "broken"},
			{"host", "list", "-o", "xml"},
			{"job", "list", "--state", "SUCCEEDED"},
			{"job", "list", "--limit", "-1"},
			{"job", "list", "--submitter", "mine"},
			{"config", "all"},
			{"run", "--all", "--timeout", "99999999h", "--", "uptime"},
			{"run", "--all", "--deadline", "721h", "--", "uptime"},
			{"completion", "tcsh"},
			{"job", "foo", "--state", "x"},
			{"host", "list", "--address", "localhost:99999"},
			{"host", "list", "--address", "localhost:0,ccs:https"},
		} {
			if got := r.run(ctx, line...); got != exitUsage {
				t.Errorf("%v: exit status %d", line, got)
			}
		}
		if len(r.access.jobs) != 0 { // and nobody was asked for one
			t.Error("a job was made")
		}
	})
}

func TestWhatTheServersRefuseIsShownAsTheySayIt(t *testing.T) {
	transcript(t, "refused", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--selector", "app in (web,api", "--", "uptime")
		r.run(ctx, "run", "--room", "bj01", "--selector", "app==", "--", "uptime")
		r.run(ctx, "run", "--hosts", "h1,h9,h10", "--", "uptime")
		r.run(ctx, "run", "--selector", "app=none", "--", "uptime")
		r.run(ctx, "job", "get", "nothing")
		r.run(ctx, "job", "watch", "nothing")
		r.run(ctx, "host", "get", "h9")
		for _, refusal := range []error{
			status.Error(codes.PermissionDenied, "user ann may not submit jobs of class critical"),
			status.Error(codes.AlreadyExists, "the job id is taken by another body"),
			status.Error(codes.ResourceExhausted, "a limit is reached: 1000 jobs of account ops wait"),
			status.Error(codes.Unavailable, "no scheduler owns this part of the pool at the moment"),
			status.Error(codes.Internal, "cannot commit: disk full"),
		} {
			r.access.fail = func(method string) error {
				if method == "SubmitJob" {
					return refusal
				}
				return nil
			}
			r.run(ctx, "run", "--all", "--", "uptime")
		}
		r.access.fail = func(method string) error {
			if method == "WatchJob" {
				return status.Error(codes.Unavailable, "connection refused")
			}
			return nil
		}
		r.run(ctx, "run", "--all", "--", "uptime")
		r.access.fail = func(string) error { return status.Error(codes.Unavailable, "connection refused") }
		r.run(ctx, "host", "list")
	})
}

func TestWhoeverCannotBeTrustedIsNotTriedAgain(t *testing.T) {
	transcript(t, "unreached", func(ctx context.Context, r *rig) {
		for _, c := range []struct {
			why  string
			want int
		}{
			{`transport: authentication handshake failed: peer refused: it is spiffe://demo.ccs/scheduler/s1; admitted here: spiffe://demo.ccs/access/*`, exitUsage},
			{`error reading server preface: remote error: tls: expired certificate`, exitDenied},
			{`transport: authentication handshake failed: context deadline exceeded`, exitUnknown},
			{`error reading server preface: read tcp 127.0.0.1:5->127.0.0.1:6: use of closed network connection`, exitUnknown},
			{`transport: authentication handshake failed: tls: first record does not look like a TLS handshake`, exitUnknown},
			{`transport: Error while dialing: dial tcp 127.0.0.1:7400: connect: connection refused`, exitUnknown},
		} {
			calls := 0
			r.access.fail = func(string) error {
				calls++
				return status.Error(codes.Unavailable, "connection error: desc = "+quoted(c.why))
			}
			for _, line := range [][]string{{"host", "list"}, {"run", "--all", "--", "true"}} {
				calls = 0
				if got := r.run(ctx, line...); got != c.want || (calls == 1) != (c.want != exitUnknown) {
					t.Errorf("%s: exit status %d after %d tries", c.why, got, calls)
				}
			}
		}
	})
}

func TestHelpAndHosts(t *testing.T) {
	transcript(t, "help", func(ctx context.Context, r *rig) {
		r.run(ctx, "--help")
		for _, verb := range []string{
			"run", "ping", "job", "job get", "job list", "job watch", "job summary", "job pause", "job resume", "job cancel", "job retry", "task", "task list",
			"output", "explain", "host", "host list", "host get", "config", "completion",
		} {
			r.run(ctx, append(strings.Fields(verb), "--help")...)
		}
	})
}

func TestHostsAreListedAndShown(t *testing.T) {
	transcript(t, "host", func(ctx context.Context, r *rig) {
		r.run(ctx, "host", "list")
		r.run(ctx, "host", "list", "--selector", "app=web,room in (sh01)")
		r.run(ctx, "host", "list", "--room", "bj01,sh01", "-l", "!canary", "-o", "wide")
		r.run(ctx, "host", "list", "-l", "app=none")
		r.run(ctx, "host", "list", "-l", "app=none", "-o", "json")
		r.run(ctx, "host", "list", "-l", "app=none", "-o", "yaml")
		r.run(ctx, "host", "get", "10.0.0.3")
	})
}
