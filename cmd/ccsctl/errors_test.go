package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/client"
)

func TestWhatIsTypedWrongIsSaidAndChangesNothing(t *testing.T) {
	transcript(t, "usage", func(ctx context.Context, r *rig) {
		r.write("empty", "")
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
			{"run", "--all", "--concurrency", "0", "--", "uptime"},
			{"run", "--all", "--concurrency", "101%", "--", "uptime"},
			{"run", "--all", "--timeout", "soon", "--", "uptime"},
			{"run", "--all", "--timeout", "-1s", "--", "uptime"},
			{"run", "--all", "--ttl", "48h", "--", "uptime"},
			{"run", "--all", "--cwd", "tmp", "--", "uptime"},
			{"run", "--al", "--", "uptime"},
			{"ping", "--all", "now"},
			{"job"},
			{"job", "show", "x"},
			{"job", "lst"},
			{"job", "get"},
			{"jbo", "list"},
			{"output", "x"},
			{"host", "list", "-o", "xml"},
			{"job", "list", "--state", "SUCCEEDED"},
			{"job", "list", "--limit", "-1"},
		} {
			if got := r.run(ctx, line...); got != exitUsage {
				t.Errorf("%v: exit status %d", line, got)
			}
		}
		if len(r.access.jobs) != 0 {
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

func TestTheConfigurationIsExplained(t *testing.T) {
	transcript(t, "config", func(ctx context.Context, r *rig) {
		r.run(ctx, "config")
		r.write("bad.yaml", "addresses: []\ntls: {cert: a, kye: b}\nsigning-key: c\noutput: xml\n")
		r.run(ctx, "--config", "DIR/bad.yaml", "host", "list")
		r.write("broken.yaml", "addresses: [")
		r.run(ctx, "--config", "DIR/broken.yaml", "host", "list")
		r.env["CCSCTL_CONFIG"] = ""
		r.env["HOME"] = r.dir
		r.run(ctx, "host", "list")
		must(t, os.MkdirAll(r.dir+"/.config/ccs", 0o700))
		r.write(".config/ccs/config.yaml", "addresses: [a:1]\ntls: {cert: me.crt, key: /k, ca: ca}\nsigning_key: me.key\noutput: json\n")
		r.run(ctx, "host", "list", "-l", "id=h1")
		r.run(ctx, "host", "list", "-l", "id=h1", "-o", "plain")
		r.open = client.New
		r.run(ctx, "host", "list")
	})
}

func TestHelpAndHosts(t *testing.T) {
	transcript(t, "help", func(ctx context.Context, r *rig) {
		r.run(ctx, "--help")
		r.run(ctx, "run", "--help")
		r.run(ctx, "ping", "--help")
		r.run(ctx, "job", "--help")
		r.run(ctx, "task", "list", "--help")
		r.run(ctx, "host", "list")
		r.run(ctx, "host", "list", "--selector", "app=web,room in (sh01)")
		r.run(ctx, "host", "get", "10.0.0.3")
	})
}
