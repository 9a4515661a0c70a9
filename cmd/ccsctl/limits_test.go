package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestLimitsAndSettingsReachTheSignedJob(t *testing.T) {
	transcript(t, "run-limits", func(ctx context.Context, r *rig) {
		r.write("env", "# of the site\n\nA=from the file\nTOKEN=a=b # c\r\nEMPTY=\n")
		r.run(ctx, "run", "--all", "--limit-memory", "512MiB", "--limit-cpu", "0.25", "--limit-pids", "40", "--limit-open-files", "256",
			"--rlimit", "stack=unlimited", "--rlimit", "core=0", "--rlimit", "fsize=1GiB", "--umask", "027", "--oom-score-adj", "500",
			"--leave-descendants", "--env-file", "DIR/env", "--env", "A=1", "--", "uptime")
		c := r.access.jobs[0].payload.Command
		if (c.Limits != capsule.Limits{MemoryBytes: 512 << 20, CPUMillis: 250, PIDs: 40, OpenFiles: 256}) || c.Umask == nil || *c.Umask != 0o27 ||
			c.OOMScoreAdj != 500 || !c.LeaveDescendants || !slices.Equal(c.Rlimits, []task.Rlimit{
			{Resource: task.ResourceCore}, {Resource: task.ResourceFSize, Value: 1 << 30}, {Resource: task.ResourceStack, Value: task.Unlimited},
		}) {
			t.Errorf("signed was %+v", c)
		}
		if got := strings.Join(c.Env, "|"); got != "TOKEN=a=b # c|EMPTY=|A=1" {
			t.Errorf("the environment is %q", got)
		}
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "job", "get", "JOB", "-o", "json")
		r.run(ctx, "run", "--all", "--umask", "0", "--", "uptime")
		if c := r.access.jobs[1].payload.Command; c.Umask == nil || *c.Umask != 0 || len(c.Rlimits) > 0 || c.LeaveDescendants {
			t.Errorf("signed was %+v", c)
		}
		r.run(ctx, "run", "--all", "--", "uptime")
		if c := r.access.jobs[2].payload.Command; c.Umask != nil || c.Limits != (capsule.Limits{}) {
			t.Errorf("signed was %+v", c)
		}
	})
}

func TestALimitThatIsNoneIsSaidWithoutAnyValueOfTheEnvironment(t *testing.T) {
	transcript(t, "limits-usage", func(ctx context.Context, r *rig) {
		r.write("secrets", "A=hunter2\nPASSWORD hunter2\n")
		r.write("twice", "A=hunter2\nB=1\nA=hunter3\n")
		r.write("padded", " A=hunter2\n")
		for _, flags := range [][]string{
			{"--limit-memory", "0"},
			{"--limit-memory", "much"},
			{"--limit-memory", "99999999999TiB"},
			{"--limit-cpu", "0"},
			{"--limit-cpu", "0.0001"},
			{"--limit-cpu", ".5"},
			{"--limit-cpu", "-1"},
			{"--limit-pids", "0"},
			{"--limit-pids", "4294967296"},
			{"--limit-open-files", "many"},
			{"--rlimit", "core"},
			{"--rlimit", "rss=1"},
			{"--rlimit", "nofile=1"},
			{"--rlimit", "core=-1"},
			{"--rlimit", "core=1", "--rlimit", "core=2"},
			{"--umask", "1000"},
			{"--umask", "8"},
			{"--oom-score-adj", "0"},
			{"--oom-score-adj", "1001"},
			{"--oom-score-adj", "-5"},
			{"--env-file", "DIR/secrets"},
			{"--env-file", "DIR/twice"},
			{"--env-file", "DIR/padded"},
			{"--env-file", "DIR/nowhere"},
			{"--env-file", "-", "--stdin", "-"},
		} {
			args := append(append([]string{"run", "--all"}, flags...), "--", "uptime")
			if status := r.run(ctx, args...); status != exitUsage {
				t.Errorf("%q: exit status %d", flags, status)
			}
		}
		if strings.Contains(r.transcript.String(), "hunter") {
			t.Error("a value of the environment is shown")
		}
		if len(r.access.jobs) != 0 {
			t.Error("a job was made")
		}
	})
}

func TestCPUsAreReadInThousandths(t *testing.T) {
	want := map[string]uint32{"": 0, "1": 1000, "0.5": 500, "2.25": 2250, "0.001": 1, "4294967.295": 4294967295}
	for text, n := range want {
		if got, err := cpus(text); err != nil || got != n {
			t.Errorf("%q is %d, %v, want %d", text, got, err, n)
		}
	}
	for _, text := range []string{"0", "0.0", ".5", "1.2345", "x", "1e3", "-1", "+1", "4294967.296", " 1"} {
		if got, err := cpus(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestEveryResourceCanBeLimited(t *testing.T) {
	var texts []string
	want := map[string]uint64{}
	for i, name := range client.Resources() {
		texts = append(texts, name+"="+string(rune('1'+i)))
		want[name] = uint64(i + 1)
	}
	if got, err := rlimits(texts); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v is read as %v, %v", texts, got, err)
	}
}
