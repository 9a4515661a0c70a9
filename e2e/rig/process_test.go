package rig

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forked is a process with a fork that goes on as what it was forked from, as
// every child does until it becomes another program.
func forked(t *testing.T) (parent, child Process) {
	t.Helper()
	mark := fmt.Sprintf("forked-%d", time.Now().UnixNano())
	cmd := exec.Command("/bin/sh", "-c", `exec 3<&0; (read line <&3; exec sleep 60) & wait`, mark)
	held, err := cmd.StdinPipe() // so that the fork stays what it is
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = held.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, p := range Processes(t, mark) {
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
	})
	Eventually(t, func() string {
		both := Processes(t, mark)
		if len(both) != 2 {
			return fmt.Sprint("two processes, but ", both)
		}
		for _, p := range both {
			if p.PID == cmd.Process.Pid {
				parent = p
			} else {
				child = p
			}
		}
		return ""
	})
	if strings.Join(parent.Args, " ") != strings.Join(child.Args, " ") {
		t.Fatalf("the fork is %v and its parent %v", child, parent)
	}
	return parent, child
}

func TestAForkThatIsNotAnotherProgramYetIsNotKilledForItsParent(t *testing.T) {
	parent, child := forked(t)
	if child.KillItself() || !Alive(child.PID) {
		t.Error("the fork was killed")
	}
	if !parent.KillItself() {
		t.Error("the process itself was not killed")
	}
	Eventually(t, func() string {
		if Alive(parent.PID) {
			return "it lives"
		}
		return ""
	})
}

func TestAProcessThatBecameAnotherIsNotKilled(t *testing.T) {
	parent, _ := forked(t)
	before := parent
	before.Args = []string{"ccs-endprocess", "what it was"}
	if before.KillItself() || !Alive(parent.PID) {
		t.Error("it was killed for what it was")
	}
	if (Process{PID: 1 << 22, Args: parent.Args}).KillItself() {
		t.Error("nobody was killed")
	}
}
