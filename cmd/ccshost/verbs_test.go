package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func (r *rig) wantState(id string, state task.State, message string) {
	r.Helper()
	e, err := r.host.Find(id)
	if err != nil || e.State != state || e.Message != message {
		r.Errorf("%s is %v %v (%q), %v; want %v (%q)", id, e.State, e.Reason, e.Message, err, state, message)
	}
}

func TestAnOperatorSeesTheSameWithTheExecutorUpAndDown(t *testing.T) {
	r := newRig(t)
	r.want(1, "nothing was ever run here", "list")
	r.up()
	r.attach()
	r.want(0, "No commands.", "list")
	first := r.start("exit 3")
	r.poll("its end", func() bool { e, err := r.host.Find(first); return err == nil && !e.Live() })
	r.running()
	r.want(0, "RUNNING", "list")
	up := r.out
	r.want(0, "up, pid", "status")
	r.down()
	r.want(0, "RUNNING", "list")
	if r.out != up {
		t.Errorf("with the executor up\n%s\nand down\n%s", up, r.out)
	}
	r.want(0, "ID2", "list", "--running")
	r.want(1, "down", "status")
	r.want(2, "do not go together", "list", "--running", "--all")
	r.golden("look")
	for _, args := range [][]string{{"list"}, {"list", "-o", "json"}, {"status", "-o", "json"}, {"doctor"}} {
		r.run(args...)
		if strings.Contains(r.out+r.err, "hunter2") {
			t.Errorf("ccshost %s tells a secret:\n%s%s", args, r.out, r.err)
		}
	}
}

func TestDocumentsAreForPrograms(t *testing.T) {
	r := newRig(t)
	r.up()
	r.attach()
	r.running()
	r.want(0, `"state": "RUNNING"`, "list", "-o", "json")
	r.want(0, `"healthy": true`, "status", "-o", "json")
	r.want(0, "frozen", "freeze", "--reason", "disk")
	r.want(0, `"reason": "disk"`, "status", "-o", "json")
	r.want(0, `"foreign": []`, "status", "-o", "json")
	r.golden("documents")
	r.run("doctor", "-o", "json")
	var doc struct {
		Checks []struct{ Name, Level, Text, Do string }
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Checks) < 15 {
		t.Errorf("%v: %s", err, r.out)
	}
	r.want(2, "no output format", "list", "-o", "xml")
}

func TestAKillThroughTheExecutorSaysWhoAndWhy(t *testing.T) {
	r := newRig(t)
	r.up()
	id := r.running()
	r.want(0, "the executor was told; it is CANCELED killed", "kill", "ID1", "--reason", "fills /var")
	r.wantState(id, task.Canceled, "killed on the host by ops: fills /var")
	r.want(0, "it has ended already (CANCELED killed)", "kill", "ID1")
	r.want(1, "not known on this host", "kill", "nobody")
	r.want(2, "needs the ids", "kill")
	r.golden("kill")
}

func TestAKillWithTheExecutorDownIsTheSame(t *testing.T) {
	r := newRig(t)
	r.up()
	told, alone := r.running(), r.running()
	r.down()
	r.behead(alone)
	r.want(0, "its end-process was told; it is CANCELED", "kill", "ID1", "ID2")
	for _, id := range []string{told, alone} {
		r.wantState(id, task.Canceled, "killed on the host by ops")
	}
	r.golden("kill-down")
	r.up() // and the executor takes it as it is
	for _, id := range []string{told, alone} {
		r.wantState(id, task.Canceled, "killed on the host by ops")
	}
}

func TestAKillWithTheEndProcessDeadGoesThroughTheExecutorThatTookOver(t *testing.T) {
	r := newRig(t)
	r.up()
	id := r.running()
	r.behead(id)
	r.want(0, "the executor was told; it is CANCELED", "kill", "ID1")
	r.wantState(id, task.Canceled, "killed on the host by ops")
}

func TestAPersonIsAskedAndAScriptIsNot(t *testing.T) {
	r := newRig(t)
	r.up()
	id := r.running()
	r.answer = "no\n"
	r.want(2, "nothing was done", "kill", "ID1")
	if e, err := r.host.Find(id); err != nil || e.Stop {
		t.Errorf("%+v, %v", e, err)
	}
	r.answer = "yes\n"
	r.want(0, "End 1 command? yes/no:", "kill", "ID1")
	r.wantState(id, task.Canceled, "killed on the host by ops")
	r.answer = "no\n"
	r.want(0, "has ended already", "kill", "--yes", "ID1")
}

func TestWhoDoesNotWaitIsNotToldTheEnd(t *testing.T) {
	r := newRig(t)
	r.up()
	r.running()
	r.want(0, "ID1: the executor was told\n", "kill", "--wait", "0s", "ID1")
	id := r.start("trap '' TERM; sleep 300")
	r.poll(id, func() bool { e, err := r.host.Find(id); return err == nil && e.Leader != 0 })
	r.want(1, "has not ended after 1ms", "kill", "--wait", "1ms", "ID2")
}

func TestAFreezeIsKeptUntilItIsThawed(t *testing.T) {
	r := newRig(t)
	r.want(0, "was not frozen", "thaw")
	r.want(0, "is frozen since", "freeze", "--reason", "disk is being replaced", "--for", "2h")
	f, err := spool.Frozen(r.host.OperatorDir)
	if err != nil || f.By != "ops" || f.Why != "disk is being replaced" || f.Until.Sub(f.Since) != 2*time.Hour {
		t.Errorf("%+v, %v", f, err)
	}
	r.want(0, "was frozen already", "freeze")
	if again, err := spool.Frozen(r.host.OperatorDir); err != nil || !again.Since.Equal(f.Since) || !again.Until.IsZero() || again.Why != "" {
		t.Errorf("%+v, %v", again, err)
	}
	r.want(2, "--for must be", "freeze", "--for", "0s")
	r.run("status")
	r.want(0, "not frozen any more", "thaw")
	r.golden("freeze")
}

func TestForeignEndProcessesHoldTheHostUpUntilTheyAreReleased(t *testing.T) {
	r := newRig(t)
	r.up()
	r.attach()
	r.want(0, "No foreign", "release")
	r.running()
	r.down()
	r.poll("the directory to be gone", func() bool { return os.RemoveAll(r.host.StateDir) == nil })
	r.up()
	r.want(0, "holds everything up", "release")
	r.want(1, "1 end-process of a state directory that is gone", "status")
	id := r.start("exit 0")
	r.want(2, "nothing was released", "release", "1")
	r.want(2, "is no pid", "release", "x")
	if e, err := r.host.Find(id); err != nil || e.State != task.Accepted {
		t.Errorf("beside a foreign one it is %+v, %v", e, err)
	}
	r.want(0, "released", "release", "--all", "--reason", "a backup")
	r.poll("the start", func() bool { e, err := r.host.Find(id); return err == nil && e.State == task.Succeeded })
	r.want(0, "1 released", "status")
	r.golden("release")
}

func TestADoctorNamesWhatIsWrongAndWhatToDo(t *testing.T) {
	r := newRig(t)
	r.up()
	r.attach()
	r.running()
	r.want(1, "FAULT  bundle: cannot read operator_key", "doctor")
	r.down()
	e, err := r.host.Find(r.ids[0])
	must(t, err)
	r.behead(r.ids[0])
	r.want(1, "FAULT  supervision: nobody supervises ID1", "doctor")
	must(t, os.Chmod(r.host.StateDir, 0o755))
	r.want(1, "can be read by others: mode 0755. chmod 700", "doctor")
	r.golden("doctor")
	r.write("executor.yaml", "state_dir: "+r.host.StateDir+"\nsocket: relative\nslotz: 3\n")
	r.want(1, "slotz: unknown key", "doctor")
	_ = e
}

func TestAnotherAccountIsRefusedInWords(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	r := newRig(t)
	r.up()
	must(t, os.Chmod(r.dir, 0o755))
	must(t, os.MkdirAll(r.host.OperatorDir, 0o755))
	for _, file := range []string{"executor.yaml", "agent.yaml"} {
		must(t, os.Chmod(filepath.Join(r.dir, file), 0o644))
	}
	self := filepath.Join(r.dir, "ccshost")
	data, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(self, data, 0o755))
	for _, verb := range [][]string{{"list"}, {"status"}, {"doctor"}, {"freeze"}, {"kill", "a"}, {"release"}} {
		cmd := exec.Command(self, append([]string{"--executor-config", filepath.Join(r.dir, "executor.yaml"), "--agent-config", filepath.Join(r.dir, "agent.yaml")}, verb...)...)
		cmd.Env = []string{"TEST_CCSHOST=yes"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "try again with sudo") {
			t.Errorf("%s: %v\n%s", verb, err, out)
		}
	}
	if w := r.host.Word(time.Now()); w != (operator.Word{}) {
		t.Errorf("%+v", w)
	}
}

func TestEveryVerbHasHelp(t *testing.T) {
	r := newRig(t)
	for _, args := range [][]string{{"--help"}, {"doctor", "--help"}, {"status", "--help"}, {"list", "--help"}, {"kill", "--help"}, {"freeze", "--help"}, {"thaw", "--help"}, {"release", "--help"}} {
		r.want(0, "Usage:", args...)
	}
	r.want(2, "there is no verb", "stop")
	r.want(2, "unexpected argument", "list", "a")
	r.want(2, "unknown flag", "list", "--verbose")
	r.golden("help")
}
