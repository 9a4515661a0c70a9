package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The page for operators has what steers a job, by the name that is typed; that its
// session is true is tried in e2e/rollout.
func TestTheRolloutPageHasEveryFlagThatSteersAJob(t *testing.T) {
	text, err := os.ReadFile("../../docs/rollout.md")
	must(t, err)
	var flags pflag.FlagSet
	(&rolloutFlags{}).add(&flags)
	(&recoveryFlags{}).add(&flags)
	names := []string{"--timeout", "--on-timeout", "--ttl", "--deadline", "--detach-on-pause", "--next", "--by", "--to-end", "--expect-revision", "--request-id", "--keep-running", "--outcome"}
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	for _, name := range append(names, "job pause", "job resume", "job cancel", "job retry", "job summary", "job get", "explain") {
		if !strings.Contains(string(text), name+" ") && !strings.Contains(string(text), name+"`") {
			t.Errorf("docs/rollout.md does not say %s", name)
		}
	}
}

// Each example of the page is a command line that ccsctl takes; those of resume and
// retry are in the session.
func TestTheExamplesOfTheRolloutPageAreTaken(t *testing.T) {
	text, err := os.ReadFile("../../docs/rollout.md")
	must(t, err)
	tried := 0
	for line := range strings.Lines(string(text)) {
		for i, code := range strings.Split(line, "`") {
			flag, value, has := strings.Cut(code, " ")
			if i%2 == 0 || !has || !strings.HasPrefix(flag, "--") || value == "N" || value == "k" || flag == "--by" || flag == "--outcome" {
				continue
			}
			tried++
			inBubble(t, func(ctx context.Context, r *rig) { tryExample(ctx, r, code) })
		}
	}
	if tried < 20 {
		t.Errorf("only %d examples were found", tried)
	}
}

// tryExample types flags of an example, with what they say nothing without.
func tryExample(ctx context.Context, r *rig, flags string) {
	r.t.Helper()
	args := []string{"run", "--all", "--detach"}
	for flag, needs := range map[string]string{
		"--wait-offline": "--batch=1", "--pause-after-batch": "--batch=1", "--on-failure": "--max-failures=1", "--tolerate": "--max-failures=1",
		"--on-timeout": "--timeout=5m", "--attempts": "--recovery=rerun", "--rerun-until": "--recovery=rerun",
	} {
		if name, _, _ := strings.Cut(needs, "="); strings.Contains(flags, flag+" ") && !strings.Contains(flags, name+" ") {
			args = append(args, needs)
		}
	}
	args = append(append(args, strings.Fields(flags)...), "--", "true")
	if status := r.run(ctx, args...); status != exitOK {
		r.t.Errorf("the page says %q, and it ends with status %d:\n%s", flags, status, r.transcript.String())
	}
}
