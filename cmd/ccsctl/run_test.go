package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// mixed is a fleet where things go wrong in several ways.
func mixed(host string) outcome {
	switch host {
	case "h1", "h2", "h4":
		return outcome{state: task.Succeeded, stdout: "up 3 days\n"}
	case "h3":
		return outcome{state: task.Unknown, reason: task.Silent}
	case "h5":
		return outcome{state: task.Failed, code: 3, stdout: "no newline", stderr: "boom\n"}
	case "h6":
		return outcome{state: task.Failed, reason: task.Signaled, signal: 9}
	case "h7":
		return outcome{state: task.StartFailed, reason: task.NoAccount, message: "no account \"deploy\" on this host"}
	}
	return outcome{state: task.Succeeded, stdout: strings.Repeat("x", 10) + "\n", cut: 90}
}

func TestResultsAreGroupedByEqualOutcomeAndOutput(t *testing.T) {
	transcript(t, "run-grouped", func(ctx context.Context, r *rig) {
		r.access.outcome = func(string) outcome { return outcome{state: task.Succeeded, stdout: "Linux 6.1\n"} }
		if status := r.run(ctx, "run", "--all", "--", "uname", "-sr"); status != exitOK {
			t.Errorf("exit status %d", status)
		}
		if r.access.fetched != 1 {
			t.Errorf("one output was fetched %d times", r.access.fetched)
		}
		r.access.outcome = mixed
		if status := r.run(ctx, "run", "--all", "--note", "look", "--", "uptime"); status != exitSome {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "task", "list", "JOB")
		r.run(ctx, "job", "watch", "JOB")
	})
}

func TestASingleHostPassesThroughWhatItsCommandSaid(t *testing.T) {
	transcript(t, "run-single", func(ctx context.Context, r *rig) {
		for _, o := range []outcome{
			{state: task.Succeeded, stdout: "raw, without a newline"},
			{state: task.Failed, code: 42, stdout: "out\n", stderr: "err\n"},
			{state: task.Failed, reason: task.Signaled, signal: 15},
			{state: task.TimedOut, reason: task.Timeout},
		} {
			r.access.outcome = func(string) outcome { return o }
			r.run(ctx, "run", "--hosts", "h1", "--", "cmd")
		}
		r.run(ctx, "ping", "--hosts", "10.0.0.2")
	})
}

func TestSelectionsAndOptionsReachTheSignedJob(t *testing.T) {
	transcript(t, "run-options", func(ctx context.Context, r *rig) {
		r.stdin = "#!/bin/sh\ndate\n"
		r.write("input", "from a file")
		r.run(ctx, "run", "--room", "bj01", "-l", "app=web", "--concurrency", "25%", "--timeout", "1m", "--ttl", "1h", "--deadline", "2h",
			"--class", "critical", "--account", "ops", "--env", "A=1", "--env", "B=x,y", "--cwd", "/tmp", "--run-as", "nobody",
			"--stdin", "DIR/input", "-f", "-", "--interpreter", "/bin/bash", "--on-timeout", "report", "--grace", "3s", "--output-limit", "4MiB")
		p := r.access.jobs[0].payload
		c := p.Command
		if p.Selector != "app=web,room=bj01" || p.Class != "critical" || p.Account != "ops" || p.NotAfter.Sub(p.NotBefore) != time.Hour+time.Minute ||
			string(c.Script) != r.stdin || c.Interpreter[0] != "/bin/bash" || string(c.Stdin) != "from a file" ||
			strings.Join(c.Env, " ") != "A=1 B=x,y" || c.Cwd != "/tmp" || c.RunAs != "nobody" || c.Timeout != time.Minute ||
			c.TimeoutAction != capsule.TimeoutReport || c.Grace != 3*time.Second || c.Limits.OutputBytes != 4<<20 {
			t.Errorf("signed was %+v", p)
		}
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "ping", "--room", "bj01,sh01", "--concurrency", "2")
		if got := r.access.jobs[1].payload.Selector; got != "room in (bj01,sh01)" {
			t.Errorf("the rooms became %q", got)
		}
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
	})
}

func TestDocumentsForPrograms(t *testing.T) {
	transcript(t, "run-documents", func(ctx context.Context, r *rig) {
		r.access.outcome = func(host string) outcome {
			if host == "h2" {
				return outcome{state: task.Failed, code: 1, stdout: "\xff\x00", stderr: "true: yes\n"}
			}
			return outcome{state: task.Succeeded, stdout: "ok <&>\n"}
		}
		r.run(ctx, "run", "--hosts", "h1,h2", "-o", "json", "--", "cmd")
		var doc struct {
			Job   struct{ State string }
			Tasks []struct {
				Host   string
				Stdout string
			}
		}
		must(t, json.Unmarshal([]byte(r.stdout), &doc))
		if doc.Job.State != "DONE" || doc.Tasks[0].Stdout != "ok <&>\n" || doc.Tasks[1].Host != "h2" {
			t.Errorf("read back it is %+v", doc)
		}
		r.run(ctx, "run", "--hosts", "h1,h2", "-o", "yaml", "--", "cmd")
		r.run(ctx, "run", "--hosts", "h1", "-o", "json", "--detach", "--", "cmd")
		r.run(ctx, "task", "list", "JOB", "-o", "json")
		r.run(ctx, "job", "list", "-o", "yaml", "--limit", "1")
		r.run(ctx, "host", "get", "h1", "-o", "json")
		r.run(ctx, "host", "list", "-o", "yaml", "-l", "room=bj01,app=api")
	})
}

func TestCtrlCDetachesAndSaysHowToComeBack(t *testing.T) {
	transcript(t, "run-detached", func(ctx context.Context, r *rig) {
		r.access.hang = true
		running, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Minute, cancel)
		if status := r.run(running, "run", "--all", "--", "sleep", "3600"); status != exitUnknown {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "job", "cancel", "JOB", "--keep-running")
		r.run(ctx, "job", "cancel", "JOB", "--expect-revision", "7")
		r.access.hang = false
		r.run(ctx, "job", "watch", "JOB")
	})
}

func TestALiveLineShowsTheProgressOnATerminal(t *testing.T) {
	transcript(t, "run-live", func(ctx context.Context, r *rig) {
		r.width = 70
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--", "uptime")
	})
}
