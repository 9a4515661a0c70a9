package scheduler

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestSettingsAreShownInALineWithoutWhatMayBeSecret(t *testing.T) {
	for want, c := range map[string]capsule.Command{
		"": {Kind: capsule.Argv, Argv: []string{"true"}},
		"as backup; in '/srv/a b'; env PATH TOKEN; stdin of 6 bytes; umask 027; output 4MiB; memory 512MiB; CPUs 0.25; processes 40; " +
			"open files 100; rlimit core 0; rlimit cpu 30s; rlimit fsize 1000; rlimit nproc 7; rlimit stack unlimited; OOM score +500; descendants are left": {
			RunAs: "backup", Cwd: "/srv/a b", Env: []string{"PATH=/bin", "TOKEN=hunter2"}, Stdin: []byte("hunter"), Umask: new(uint32(0o27)),
			Limits: capsule.Limits{OutputBytes: 4 << 20, MemoryBytes: 512 << 20, CPUMillis: 250, PIDs: 40, OpenFiles: 100},
			Rlimits: []task.Rlimit{
				{Resource: task.ResourceCore},
				{Resource: task.ResourceCPU, Value: 30},
				{Resource: task.ResourceFSize, Value: 1000},
				{Resource: task.ResourceNProc, Value: 7},
				{Resource: task.ResourceStack, Value: task.Unlimited},
			},
			OOMScoreAdj: 500, LeaveDescendants: true,
		},
		"umask 000; memory 1025": {Umask: new(uint32), Limits: capsule.Limits{MemoryBytes: 1025}},
		"memory 2048TiB":         {Limits: capsule.Limits{MemoryBytes: 1 << 51}},
	} {
		if got := settingsLine(c); got != want {
			t.Errorf("it says %q\nwant    %q", got, want)
		}
	}
}

func TestALineOfSettingsIsShort(t *testing.T) {
	var env []string
	for range 2000 {
		env = append(env, strings.Repeat("é", 200)+"=hunter2")
	}
	if got := settingsLine(capsule.Command{Cwd: "/" + strings.Repeat("x", 4000)}); utf8.RuneCountInString(got) != maxSettingsLine || !strings.HasSuffix(got, "…") {
		t.Errorf("it is %q", got)
	}
	got := settingsLine(capsule.Command{Env: env, Umask: new(uint32)})
	if !strings.HasSuffix(got, " and 1988 more; umask 000") {
		t.Errorf("it ends %q", got[len(got)-40:])
	}
	if n := utf8.RuneCountInString(got); n > maxSettingsLine || n < 12*40 || strings.Contains(got, "hunter") {
		t.Errorf("it has %d characters: %q", n, got)
	}
}
