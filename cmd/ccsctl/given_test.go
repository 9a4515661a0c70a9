package main

import (
	"context"
	"testing"
)

func TestAnEmptyFlagNeverMeansMoreHostsOrFewerRules(t *testing.T) {
	transcript(t, "given", func(ctx context.Context, r *rig) {
		for _, line := range [][]string{
			{"run", "--hosts", "", "--room", "bj01", "--", "true"},
			{"run", "--hosts", "", "--hosts", "h1", "--", "true"},
			{"run", "--hosts", ",h1", "--", "true"},
			{"run", "--hosts", "h1,", "--", "true"},
			{"run", "--hosts", "h1,\t,h2", "--", "true"},
			{"run", "--room", "", "-l", "app=web", "--", "true"},
			{"run", "--room", "bj01,", "--", "true"},
			{"run", "-l", "", "--room", "bj01", "--", "true"},
			{"run", "-l", "\t", "--all", "--", "true"},
			{"run", "-l", "app=web,", "--room", "bj01", "--", "true"},
			{"run", "--hosts-file", "", "--all", "--", "true"},
			{"run", "--all", "--concurrency", "", "--", "true"},
			{"run", "--all", "--run-as", "", "--", "true"},
			{"run", "--all", "--batch", "", "--", "true"},
			{"run", "--all", "--pause-after", "", "--", "true"},
			{"run", "--all", "--batch", "1", "--pause-after-batch", "", "--", "true"},
			{"run", "--all", "--max-failures", "", "--", "true"},
			{"run", "--all", "--max-failures", "1", "--on-failure", "", "--", "true"},
			{"run", "--all", "--max-failures", "1", "--tolerate", "", "--", "true"},
			{"run", "--all", "--timeout", "1s", "--on-timeout", "", "--", "true"},
			{"run", "--all", "--recovery", "", "--", "true"},
			{"run", "--all", "--class", "", "--", "true"},
			{"run", "--all", "--account", "", "--", "true"},
			{"job", "retry", "x", "--outcome", "", "--", "true"},
			{"job", "retry", "x", "--outcome", "failed,", "--", "true"},
			{"job", "resume", "x", "--request-id", ""},
			{"job", "list", "--state", ""},
			{"task", "list", "x", "--state", ""},
			{"ping", "--hosts", "", "--room", "bj01"},
			{"ping", "--all", "--room", ""},
			{"host", "list", "--room", ""},
			{"host", "list", "--room", "bj01,,sh01"},
			{"host", "list", "-l", ""},
			{"task", "list", "x", "--host", ""},
			{"output", "x", ""},
			{"job", "cancel", ""},
		} {
			if got := r.run(ctx, line...); got != exitUsage {
				t.Errorf("%q: exit status %d", line, got)
			}
		}
		if len(r.access.jobs) != 0 {
			t.Error("a job was made")
		}
		r.run(ctx, "run", "--hosts", " h1, h2 ", "--hosts", "h3", "--", "true")
		r.run(ctx, "host", "list", "--room", "bj01, sh01", "-l", "app=web")
	})
}

func TestHostsThatAreLeftOutAreNamed(t *testing.T) {
	transcript(t, "left-out", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--hosts", "h1,10.0.0.5,h6", "--room", "bj01", "--", "true")
		r.run(ctx, "ping", "--hosts", "h1,h2", "--room", "bj01", "-l", "app=web")
		r.run(ctx, "ping", "--hosts", "h1,h2", "--room", "bj01")
		r.run(ctx, "run", "--hosts", "h5", "--room", "bj01", "--", "true")
		r.stdin = "h1\nh5\n"
		r.run(ctx, "run", "--hosts-file", "-", "-l", "room=sh01", "--detach", "--", "true")
	})
}

func TestWhatIsNotUTF8IsWrongHereAndNotAtTheServers(t *testing.T) {
	transcript(t, "utf8", func(ctx context.Context, r *rig) {
		for _, line := range [][]string{
			{"run", "--hosts", "h\xff", "--", "true"},
			{"run", "-l", "app=\xff", "--", "true"},
			{"run", "--all", "--note", "\xc3\xa9t\xe9", "--", "true"},
			{"run", "--all", "--", "echo", "\xe9"},
			{"job", "get", "\xff"},
			{"job", "cancel", "\xff"},
			{"job", "list", "--submitter", "\xff"},
			{"output", "\xff"},
			{"host", "get", "\xff"},
		} {
			if got := r.run(ctx, line...); got != exitUsage {
				t.Errorf("%q: exit status %d", line, got)
			}
		}
	})
}
