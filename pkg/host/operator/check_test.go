package operator

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestAHostInOrderHasNoFault(t *testing.T) {
	h := newHost(t)
	h.run("a", "sleep 60")
	lock, err := spool.Open(h.AgentDir)
	must(t, err)
	defer lock.Close()
	now := time.Now()
	must(t, os.WriteFile(filepath.Join(h.AgentDir, spool.LinkFile), spool.Link{Aggregator: "agg1", Since: now, Heard: now, ServerTime: now}.Encode(), 0o600))
	for name, c := range h.levels() {
		if c.Level == Fault {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestWhoMayWriteADirectoryMatters(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		name, dir string
		mode      os.FileMode
		level     Level
	}{
		{"executor's state", h.StateDir, 0o700, OK},
		{"executor's state", h.StateDir, 0o755, Fault},
		{"executor's state", h.StateDir, 0o770, Fault},
		{"agent's state", h.AgentDir, 0o701, Fault},
		{"operator's word", h.OperatorDir, 0o755, OK},
		{"operator's word", h.OperatorDir, 0o777, Fault},
	} {
		must(t, os.MkdirAll(c.dir, 0o755))
		must(t, os.Chmod(c.dir, c.mode))
		if got := h.levels()[c.name+" directory"]; got.Level != c.level {
			t.Errorf("%s with mode %o: %+v", c.name, c.mode, got)
		}
	}
	must(t, os.RemoveAll(h.AgentDir))
	h.wantCheck("agent's state directory", Warn, "is not there")
	must(t, os.WriteFile(h.AgentDir, nil, 0o600))
	h.wantCheck("agent's state directory", Fault, "is no directory")
}

func TestWhatCarriesAMarkOfNoCommandIsAnOrphan(t *testing.T) {
	h := newHost(t)
	cmd := h.run("a", "sleep 60")
	if c := h.levels()["orphans"]; c.Level == Warn && contains(c.Text, cmd.Process.Pid) {
		t.Errorf("a command that runs is an orphan: %+v", c)
	}
	leader := h.find("a").Leader
	must(t, h.root.Remove("a"))
	h.poll("the orphan", func() bool { return contains(h.levels()["orphans"].Text, leader) })
}

func contains(text string, pid int) bool {
	for at := 0; at+len(strconv.Itoa(pid)) <= len(text); at++ {
		if text[at:at+len(strconv.Itoa(pid))] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}

func TestAFifoThatIsLeftIsTold(t *testing.T) {
	h := newHost(t)
	h.over("a", "exit 0")
	h.poll("the end-process to clean up", func() bool { return h.levels()["FIFOs"].Level == OK })
	must(t, os.WriteFile(filepath.Join(h.StateDir, "commands", "a", "stdout.1.fifo"), nil, 0o600))
	h.wantCheck("FIFOs", Warn, "a/stdout.1.fifo")
}

func TestEndProcessesOfADirectoryThatIsGoneAreForeignUntilReleased(t *testing.T) {
	h := newHost(t)
	cmd := h.run("a", "sleep 60")
	if f, err := h.Foreign(time.Now()); err != nil || len(f) != 0 {
		t.Fatalf("our own is foreign: %+v, %v", f, err)
	}
	h.down()
	h.poll("the directory to be gone", func() bool { return os.RemoveAll(h.StateDir) == nil })
	h.up()
	found, err := h.Foreign(time.Now())
	if err != nil || len(found) != 1 || found[0].Process.PID != cmd.Process.Pid || found[0].Released || found[0].Since.IsZero() {
		t.Fatalf("%+v, %v", found, err)
	}
	h.wantCheck("foreign end-processes", Fault, strconv.Itoa(cmd.Process.Pid))
	if s := h.Status(time.Now()); s.Barred() != 1 {
		t.Errorf("%d hold it up", s.Barred())
	}
	must(t, h.Release(found[0].Process, "a backup", time.Now()))
	h.wantCheck("foreign end-processes", Warn, "released")
	if s := h.Status(time.Now()); s.Barred() != 0 || len(s.Foreign) != 1 {
		t.Errorf("%+v", s.Foreign)
	}
}

func TestTheFreezeIsTold(t *testing.T) {
	h := newHost(t)
	now := time.Now()
	h.wantCheck("freeze", OK, "none")
	must(t, spool.SetFreeze(h.OperatorDir, spool.Freeze{By: "ops", Since: now, Until: now.Add(time.Hour)}))
	h.wantCheck("freeze", Warn, "starts nothing new")
	if w := h.Word(now.Add(time.Hour)); w.Frozen {
		t.Error("it has not ended by itself")
	}
	must(t, os.WriteFile(filepath.Join(h.OperatorDir, "freeze"), []byte("torn"), 0o600))
	h.wantCheck("freeze", Fault, "cannot be read")
	if w := h.Word(now); !w.Frozen || w.Err == nil {
		t.Errorf("%+v", w)
	}
}

func TestTheTimeOfAProcessIsThatOfTheClock(t *testing.T) {
	self, err := proc.Self()
	must(t, err)
	now := time.Now()
	if at := startedAt(self.Start, now); at.After(now) || now.Sub(at) > time.Hour {
		t.Errorf("this test began %s", at)
	}
}
