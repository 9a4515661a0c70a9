package spool

import (
	"os"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

func TestAnEndingMeansAnOutcome(t *testing.T) {
	known := proc.Status{Code: 3}
	for name, c := range map[string]struct {
		end  proc.Ending
		want task.State
		exit task.Exit
	}{
		"success":           {proc.Ending{Known: true}, task.Succeeded, task.Exit{}},
		"an exit status":    {proc.Ending{Known: true, Status: known}, task.Failed, task.Exit{Code: 3}},
		"a signal":          {proc.Ending{Known: true, Status: proc.Status{Signal: 9}}, task.Failed, task.Exit{Reason: task.Signaled, Signal: 9}},
		"nobody saw it":     {proc.Ending{}, task.Lost, task.Exit{Reason: task.SupervisorLost}},
		"its time was up":   {proc.Ending{Known: true, Status: known, Cause: proc.ByTimeout}, task.TimedOut, task.Exit{Reason: task.Timeout, Code: 3}},
		"a stop was wished": {proc.Ending{Cause: proc.ByStop}, task.Canceled, task.Exit{Reason: task.Killed}},
	} {
		if o := Ended(c.end); o.State != c.want || o.Exit != c.exit || o.Message != "" {
			t.Errorf("%s: %+v, want %v %+v", name, o, c.want, c.exit)
		}
	}
}

func TestWhatLivesOnIsNamedWithPidNameAndState(t *testing.T) {
	var left []proc.Stat
	for pid := range 12 {
		left = append(left, proc.Stat{PID: 100 + pid, Name: "stuck", State: 'D'})
	}
	text := Ended(proc.Ending{Known: true, Stuck: left}).Message
	if !strings.Contains(text, " 100 (stuck, state D) 101 (stuck, state D) ") || !strings.HasSuffix(text, " 109 (stuck, state D) and 2 more") {
		t.Errorf("the message is %q", text)
	}
}

func TestNotesStandBesideEachOther(t *testing.T) {
	var o Outcome
	for _, text := range []string{"", "one", "", "two"} {
		o.Note(text)
	}
	if o.Message != "one; two" {
		t.Errorf("the message is %q", o.Message)
	}
}

func TestAnEndByTheMemoryLimitIsNotedOnceItHasHappened(t *testing.T) {
	// The files of a group are files: the kernel is not needed to read them.
	dir := t.TempDir()
	g, err := cgroup.ParseGroup([]string{"unified=" + dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		events string
		limits Limits
		want   string
	}{
		{"low 0\noom 3\noom_kill 0\n", Limits{MemoryBytes: 7}, ""},
		{"low 0\noom 3\noom_kill 2\n", Limits{PIDs: 7}, ""},
		{"low 0\noom 3\noom_kill 2\n", Limits{MemoryBytes: 7}, "it reached its memory limit of 7 bytes: the kernel ended processes of it, 2 in all"},
		{"oom_kill many\n", Limits{MemoryBytes: 7}, ""},
	} {
		if err := os.WriteFile(dir+"/memory.events", []byte(c.events), 0o600); err != nil {
			t.Fatal(err)
		}
		var o Outcome
		if o.NoteMemory(g, c.limits); o.Message != c.want {
			t.Errorf("%q with %+v is %q, want %q", c.events, c.limits, o.Message, c.want)
		}
	}
}
