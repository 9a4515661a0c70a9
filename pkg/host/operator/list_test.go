package operator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestACommandIsListedAsTheDiskAndTheProcessTableSay(t *testing.T) {
	h := newHost(t)
	h.accept("waits", "true")
	cmd := h.run("runs", "sleep 60")
	h.over("ended", "exit 3")
	for _, executor := range []string{"up", "down"} {
		if executor == "down" {
			h.down()
		}
		all, err := h.List()
		must(t, err)
		var ids []string
		for _, e := range all {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, []string{"ended", "runs", "waits"}) {
			t.Errorf("executor %s: %v, want the newest first", executor, ids)
		}
		if e := h.find("runs"); e.State != task.Running || e.Care != ByEndProcess || e.Supervisor != cmd.Process.Pid || !e.Running() ||
			e.Leader == 0 || e.Group != "bulk" || e.Program != "/bin/sh" || e.Since.IsZero() {
			t.Errorf("executor %s: %+v", executor, e)
		}
		if e := h.find("ended"); e.State != task.Failed || e.Live() || e.Care != NoCare || e.Since.IsZero() {
			t.Errorf("executor %s: %+v", executor, e)
		}
		if e := h.find("waits"); e.State != task.Accepted || !e.Live() || e.Running() || e.Attempt != 1 {
			t.Errorf("executor %s: %+v", executor, e)
		}
	}
}

func TestNoSecretOfACommandIsListed(t *testing.T) {
	h := newHost(t)
	h.accept("a", "echo hunter2")
	script := []byte("password=hunter2")
	must(t, h.root.Accept(spool.Spec{ID: "b", RememberUntil: time.Now(), Run: spool.Run{Interpreter: []string{"/usr/bin/python3", "-x"}, Script: spool.Attach(script), Keep: 1}}, script, nil))
	all, err := h.List()
	must(t, err)
	if text := fmt.Sprintf("%+v", all); strings.Contains(text, "hunter2") || !strings.Contains(text, "script of python3") {
		t.Error(text)
	}
}

func TestWhoSupervisesIsToldAlsoWhenNobodyDoes(t *testing.T) {
	h := newHost(t)
	h.behead(h.run("a", "sleep 60"))
	if e := h.find("a"); e.Care != ByExecutor || e.Leader == 0 || e.Supervisor != 0 {
		t.Errorf("with the executor up: %+v", e)
	}
	h.down()
	if e := h.find("a"); e.Care != ByNobody || !e.Running() {
		t.Errorf("with the executor down: %+v", e)
	}
	h.wantCheck("supervision", Fault, "nobody supervises a")
	h.wantCheck("executor", Fault, "is down")
}

func TestDamageIsNamedAndHidesNoOtherCommand(t *testing.T) {
	h := newHost(t)
	h.over("whole", "exit 0")
	for id, file := range map[string]string{"a": "spec", "b": "attempt.1", "c": "exit.1", "d": "run.1"} {
		h.over(id, "exit 0")
		must(t, os.WriteFile(filepath.Join(h.StateDir, "commands", id, file), []byte("torn"), 0o600))
		name, _, _ := strings.Cut(file, ".")
		if e := h.find(id); !slices.Equal(e.Damaged, []string{name}) {
			t.Errorf("%s with a torn %s: %+v", id, file, e)
		}
	}
	must(t, os.WriteFile(filepath.Join(h.StateDir, "tombs", "t"), []byte("torn"), 0o600))
	must(t, os.Mkdir(filepath.Join(h.StateDir, "damaged", "x.1"), 0o700))
	all, err := h.List()
	if err != nil || len(all) != 6 || !slices.Equal(all[5].Damaged, []string{"tombstone"}) {
		t.Errorf("%+v, %v", all, err)
	}
	if e := h.find("whole"); len(e.Damaged) != 0 || e.State != task.Succeeded {
		t.Errorf("%+v", e)
	}
	h.wantCheck("records", Warn, "and 1 more")
}

func TestReleasedCommandsComeLastAndSayOnlyThatTheyAreRemembered(t *testing.T) {
	h := newHost(t)
	must(t, h.root.MarkReleased("gone", time.Now()))
	_, err := h.root.Bury(spool.Tomb{ID: "refused", RememberUntil: time.Now(), Attempt: 1, Outcome: spool.Outcome{
		State: task.Refused, Exit: task.Exit{Reason: task.Frozen}, Ended: time.Now(),
	}})
	must(t, err)
	h.accept("a", "true")
	all, err := h.List()
	if err != nil || len(all) != 3 || all[2].ID != "gone" || !all[2].Released || all[2].Live() {
		t.Errorf("%+v, %v", all, err)
	}
	if e := h.find("refused"); e.State != task.Refused || e.Reason != task.Frozen || e.Released {
		t.Errorf("%+v", e)
	}
	if _, err := h.Find("nobody"); !errors.Is(err, spool.ErrMissing) {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestAStatusCountsWhatThereIs(t *testing.T) {
	h := newHost(t)
	h.run("a", "sleep 60")
	h.accept("b", "true")
	s := h.Status(time.Now())
	if !s.Executor.Up || s.Executor.PID != os.Getpid() || s.Executor.Since.IsZero() || s.Agent.Up || s.Link != nil || len(s.Faults) > 0 {
		t.Errorf("%+v", s)
	}
	if c := s.Counts(); c[task.Running] != 1 || c[task.Accepted] != 1 || s.Bytes == 0 || len(s.Incarnation) != 32 || s.Boot == "" {
		t.Errorf("%+v, %v", s, c)
	}
	h.down()
	if s := h.Status(time.Now()); s.Executor.Up || len(s.Faults) > 0 {
		t.Errorf("%+v", s)
	}
	must(t, os.RemoveAll(filepath.Join(h.StateDir, "commands")))
	if s := h.Status(time.Now()); len(s.Faults) == 0 {
		t.Error("what cannot be read is no fault")
	}
}

func TestTheAgentIsFoundByItsLockAndSaysWhereItIsAttached(t *testing.T) {
	h := newHost(t)
	now := time.Now()
	link := spool.Link{Aggregator: "agg1", Address: "10.1.1.1:7421", Since: now, Heard: now, ServerTime: now}
	must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), link.Encode(), 0o600))
	h.wantCheck("session", Warn, "the agent is down")
	agent := Host{StateDir: h.AgentDir}
	lock, err := spool.Open(agent.StateDir) // the same lock
	must(t, err)
	defer lock.Close()
	if s := h.Status(now); !s.Agent.Up || s.Agent.PID != os.Getpid() || s.Link == nil || s.Link.Aggregator != "agg1" {
		t.Errorf("%+v", s)
	}
	h.wantCheck("session", OK, "with agg1 at 10.1.1.1:7421")
	h.wantCheck("agent", OK, "is up")
	for skew, level := range map[time.Duration]Level{time.Second: OK, time.Minute: Warn, -time.Hour: Fault} {
		link.ServerTime = now.Add(-skew)
		must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), link.Encode(), 0o600))
		h.wantCheck("clock", level, skew.Abs().String())
	}
	link.Heard = now.Add(-time.Hour)
	must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), link.Encode(), 0o600))
	h.wantCheck("session", Warn, "nothing has come from agg1")
	link.Aggregator = ""
	must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), link.Encode(), 0o600))
	h.wantCheck("session", Fault, "there is none")
	must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), []byte("torn"), 0o600))
	h.wantCheck("reading", Fault, "damaged")
}

func TestALockThatAnotherHoldsThanItSaysIsTold(t *testing.T) {
	h := newHost(t)
	must(t, os.WriteFile(filepath.Join(h.StateDir, "lock"), []byte("4194303\n"), 0o600))
	h.wantCheck("executor", Warn, "4194303")
	must(t, os.WriteFile(filepath.Join(h.StateDir, "lock"), nil, 0o600))
	h.wantCheck("executor", Warn, "its pid cannot be read")
	if _, err := proc.ReadStat(4194303); err == nil {
		t.Error("that pid lives; choose another")
	}
}
