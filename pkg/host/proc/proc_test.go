package proc

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child starts a program that ends with the test at the latest.
func child(t *testing.T, argv ...string) (*exec.Cmd, *Process) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, p
}

func count(t *testing.T, tree Tree) int {
	t.Helper()
	living, err := tree.Living()
	if err != nil {
		t.Fatal(err)
	}
	return len(living)
}

func lives(t *testing.T, tree Tree) bool {
	t.Helper()
	alive, err := tree.Alive()
	if err != nil {
		t.Fatal(err)
	}
	return alive
}

func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestAProgramsNameCannotForgeTheProcessTable(t *testing.T) {
	line := "7 (evil) R 1 1 1 (x) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 4711 0 0"
	st, err := parseStat(7, []byte(line))
	if err != nil || (st != Stat{PID: 7, Parent: 3, Group: 4, Session: 5, State: 'S', Threads: 2, Start: 4711, Name: "evil) R 1 1 1 (x"}) {
		t.Errorf("it was read as %+v, %v", st, err)
	}
	for _, bad := range []string{"", "7 (x", "7 (x) R 1", strings.Replace(line, "4711", "soon", 1)} {
		if _, err := parseStat(7, []byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestAProcessIsLeavingFromTheMomentInWhichItMayLoseItsFiles(t *testing.T) {
	const alive, exits = "7 (x) S 3 4 5 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 2 0 4711 0 0", "7 (x) R 3 4 5 0 -1 4194308 0 0 0 0 0 0 0 0 20 0 2 0 4711 0 0"
	for line, want := range map[string]bool{alive: false, exits: true} {
		if st, err := parseStat(7, []byte(line)); err != nil || st.leaving != want || st.Ended() {
			t.Errorf("%q: leaving %v, ended %v, %v", line, st.leaving, st.Ended(), err)
		}
	}
	_, p := child(t, "sleep", "60")
	id := p.Identity()
	if Leaving(id) {
		t.Error("one that sleeps is said to leave")
	}
	another := id
	another.Start++
	if err := errors.Join(p.Signal(unix.SIGKILL), p.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []Identity{id, another, {Boot: id.Boot, PID: 1 << 22, Start: 1}} {
		if !Leaving(gone) {
			t.Errorf("%+v is not said to leave", gone)
		}
	}
}

func TestAPidAloneIsNotAnIdentity(t *testing.T) {
	_, p := child(t, "sleep", "60")
	id := p.Identity()
	for name, other := range map[string]Identity{
		"another boot":  {Boot: "another", PID: id.PID, Start: id.Start},
		"another start": {Boot: id.Boot, PID: id.PID, Start: id.Start - 1},
		"no pid":        {Boot: id.Boot, Start: id.Start},
	} {
		if q, err := Open(other); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
	if p.Ended() {
		t.Error("it has ended")
	}
}

func TestHowAChildEndedCanBePeekedAtAndStaysToBeWaitedFor(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 13")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s, known := p.Peek(); !known || s != (Status{Code: 13}) {
			t.Errorf("peeked %+v, %v", s, known)
		}
	}
	if s, known := p.Reap(); !known || s.Code != 13 {
		t.Errorf("reaped %+v, %v", s, known)
	}
	if _, known := p.Reap(); known {
		t.Error("it was waited for twice")
	}
	_ = cmd.Wait()
	if err := p.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("a signal to it: %v", err)
	}
}

func TestAWaitCanBeGivenUp(t *testing.T) {
	_, p := child(t, "sleep", "60")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Wait(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it returned %v", err)
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := p.Wait(t.Context()); err != nil || !p.Ended() {
		t.Errorf("%v, ended: %v", err, p.Ended())
	}
}

func TestOrphansAreFoundByTheirMarkAndTheirSessionAndNobodyElseIs(t *testing.T) {
	bystander, _ := child(t, "sleep", "60")
	cmd := exec.Command("sh", "-c", "setsid sh -c 'sleep 61 & sleep 62' & env -i sleep 63 & echo up; wait")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CCS_MARK=of-this-test"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	leader, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	tree := Orphans{Leader: leader, Since: leader.Start, Mark: "CCS_MARK=of-this-test"}
	t.Cleanup(func() { _ = tree.Signal(unix.SIGKILL); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	poll(t, "five processes", func() bool { return count(t, tree) == 5 })
	if n := count(t, Orphans{Since: leader.Start, Mark: tree.Mark}); n != 5 { // one by its parent
		t.Errorf("by the mark alone there are %d", n)
	}
	if lives(t, Orphans{Since: leader.Start, Mark: "CCS_MARK=another"}) {
		t.Error("another mark has a tree")
	}
	if lives(t, Orphans{Since: Uptime() + 1000, Leader: leader, Mark: tree.Mark}) {
		t.Error("processes belong to what began after them")
	}
	stranger := Orphans{Leader: Identity{Boot: leader.Boot, PID: leader.PID, Start: leader.Start - 1}, Since: leader.Start}
	if lives(t, stranger) {
		t.Error("a session that has a pid's number was taken for the session of who had the pid before")
	}
	poll(t, "the end of the tree", func() bool {
		if err := tree.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return !lives(t, tree)
	})
	if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the bystander was hit: %v", err)
	}
}

func TestASubreaperKnowsInOneCallWhetherAnyDescendantLives(t *testing.T) {
	if os.Getenv("TEST_SUBREAPER") == "" { // children of this process only
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "TEST_SUBREAPER=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	if HaveLivingChildren() {
		t.Error("there are children before the first")
	}
	// The parent ends at once; the grandchild comes to us.
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "setsid sleep 60 & exit 5"}, &syscall.ProcAttr{Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	poll(t, "the parent's end", func() bool { st, err := ReadStat(pid); return err == nil && st.Ended() })
	poll(t, "the grandchild", func() bool { return count(t, Offspring{}) == 1 })
	if !HaveLivingChildren() {
		t.Error("the grandchild is not seen")
	}
	ReapOrphans(pid)
	if err := (Offspring{}).Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	poll(t, "the grandchild's end", func() bool { return !HaveLivingChildren() })
	ReapOrphans(pid)
	if st, err := ReadStat(pid); err != nil || !st.Ended() {
		t.Errorf("what was to be kept: %+v, %v", st, err)
	}
	ReapOrphans(0)
	if _, err := ReadStat(pid); !errors.Is(err, ErrGone) {
		t.Errorf("a zombie is left: %v", err)
	}
}

func TestTheClockOfStartTimesDoesNotJump(t *testing.T) {
	before := Uptime()
	_, p := child(t, "sleep", "60")
	if start := p.Identity().Start; start+1 < before || start > Uptime() {
		t.Errorf("started at %d, between %d and %d", start, before, Uptime())
	}
}
