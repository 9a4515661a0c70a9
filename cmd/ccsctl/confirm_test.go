package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/client"
)

func TestManyHostsAreConfirmedByAPerson(t *testing.T) {
	transcript(t, "confirm", func(ctx context.Context, r *rig) {
		r.access.rows, r.access.outcome = manyHosts, succeeded
		for _, says := range [][]string{{"yes"}, {"no"}, {"y", " Yes "}, {"y", "ok", "1"}, {}, {"^C"}} {
			r.says = says
			fmt.Fprintf(&r.transcript, "# the person says %q\n", says)
			r.run(ctx, "run", "--all", "--account", "ops", "--run-as", "deploy", "--detach", "--", "sh", "-c", "rm -rf 'a b'")
		}
		r.says = []string{"no"}
		r.stdin = "#!/bin/sh\n\nset -e\nreboot\n"
		r.run(ctx, "run", "--all", "-f", "-")
		r.says = []string{"no"}
		r.run(ctx, "run", "--hosts", "n1", "--confirm-above", "0", "--", "uptime")
		if len(r.access.jobs) != 2 {
			t.Errorf("%d jobs were made", len(r.access.jobs))
		}
	})
}

func TestWithoutATerminalManyHostsNeedAYes(t *testing.T) {
	transcript(t, "confirm-unasked", func(ctx context.Context, r *rig) {
		r.access.rows, r.access.outcome = manyHosts, succeeded
		if status := r.run(ctx, "run", "--all", "--", "uptime"); status != exitUsage || len(r.access.jobs) != 0 {
			t.Errorf("exit status %d, %d jobs", status, len(r.access.jobs))
		}
		r.run(ctx, "run", "--all", "--yes", "--detach", "--", "uptime")
		r.run(ctx, "run", "--all", "-y", "--detach", "--", "uptime")
		r.run(ctx, "run", "--all", "--confirm-above", "250", "--detach", "--", "uptime")
		r.run(ctx, "run", "--all", "--confirm-above", "249", "--detach", "--", "uptime")
		r.env["CCSCTL_CONFIRM_ABOVE"] = "1000"
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
		r.env["CCSCTL_CONFIRM_ABOVE"] = "0"
		r.run(ctx, "run", "--hosts", "n1", "--detach", "--", "uptime")
		r.run(ctx, "ping", "--all")
	})
}

func TestHostsComeFromAFile(t *testing.T) {
	transcript(t, "hosts-file", func(ctx context.Context, r *rig) {
		r.write("hosts", "\ufeff# the web servers\nh1\r\n\n  h3  # the old one\n10.0.0.5\nh1\n")
		r.run(ctx, "run", "--hosts-file", "DIR/hosts", "--", "uptime")
		r.run(ctx, "run", "--hosts-file", "DIR/hosts", "--hosts", "h2,h1", "--detach", "--", "uptime")
		r.stdin = "h7\nh8\n"
		r.run(ctx, "ping", "--hosts-file", "-")
		r.write("bad", "h1\nh 2\nH3\n-x\n10.0.0.300\nh4,h5\n\x1b[2J\n")
		r.run(ctx, "run", "--hosts-file", "DIR/bad", "--", "uptime")
		r.write("worse", strings.Repeat("#\n", 99)+strings.Join(strings.Split("ABCDEFGHIJKLM", ""), "\n"))
		r.run(ctx, "run", "--hosts-file", "DIR/worse", "--", "uptime")
		r.write("binary", strings.Repeat("x", 1<<17))
		r.run(ctx, "run", "--hosts-file", "DIR/binary", "--", "uptime")
		r.write("strangers", "h1\nh99\n")
		r.run(ctx, "run", "--hosts-file", "DIR/strangers", "--", "uptime")
		if n := len(r.access.jobs); n != 3 {
			t.Errorf("%d jobs were made", n)
		}
	})
}

func TestAFileOfHostsIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,9}[a-z0-9])?`), 0, 9, rapid.ID).Draw(t, "hosts")
		var file strings.Builder
		for _, h := range hosts {
			for range rapid.IntRange(1, 2).Draw(t, "times") {
				file.WriteString(rapid.SampledFrom([]string{"", "\n", "# x\n", " ", "\t"}).Draw(t, "before"))
				file.WriteString(h + rapid.SampledFrom([]string{"\n", "\r\n", " \n", "#x\n", " # h 1\n"}).Draw(t, "after"))
			}
		}
		got, faults, err := parseHosts(strings.NewReader(file.String()))
		if err != nil || len(faults) > 0 || !slices.Equal(got, hosts) {
			t.Fatalf("%q gave %v, %v, %v", file.String(), got, faults, err)
		}
	})
}

func TestAFileOfTooManyHostsIsRefused(t *testing.T) {
	var file strings.Builder
	for i := range maxHosts + 1 {
		fmt.Fprintf(&file, "h%d\n", i)
	}
	if _, _, err := parseHosts(strings.NewReader(file.String())); err == nil || !strings.Contains(err.Error(), "500000") {
		t.Errorf("got %v", err)
	}
}

func TestSizesAreReadWithTheirUnit(t *testing.T) {
	for text, want := range map[string]uint64{
		"1": 1, "65536": 1 << 16, "64KiB": 1 << 16, "64K": 1 << 16, "4 MiB": 4 << 20, "16M": 16 << 20, "7B": 7,
	} {
		var s size
		if err := s.Set(text); err != nil || uint64(s) != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
		var again size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%s is written %s and read %d, %v", text, s.String(), again, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "MiB", "1.5MiB", "4MB", "16777217", "1GiB", "99999999999999999999"} {
		var s size
		if err := s.Set(text); err == nil {
			t.Errorf("%s is %d", text, s)
		}
	}
}

func TestACommandIsShownAsItWouldBeTyped(t *testing.T) {
	for want, c := range map[string]client.Command{
		"ping":                                       {Ping: true},
		"sh -c 'echo $HOME; ls'":                     {Argv: []string{"sh", "-c", "echo $HOME; ls"}},
		`echo '' 'it'\''s' a=b/c`:                    {Argv: []string{"echo", "", "it's", "a=b/c"}},
		"a script of 3 lines for /bin/sh: date":      {Script: []byte("# x\n\n date\n"), Interpreter: []string{"/bin/sh"}},
		"a script of 1 line for perl: only comments": {Script: []byte("# x"), Interpreter: []string{"perl"}},
	} {
		if got := commandText(c); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
