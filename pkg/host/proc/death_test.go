package proc

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/bugs"
)

// TestMain is a process whose first thread ends, if it is told so.
func TestMain(m *testing.M) {
	bugs.Plant()
	if os.Getenv("TEST_END_FIRST_THREAD") != "" {
		endFirstThread()
	}
	os.Exit(m.Run())
}

// endFirstThread ends the thread whose id is the process's and goes on in the
// others for a while.
func endFirstThread() {
	for range 100 { // one of them is on the first thread, or this one is
		go endIfFirst()
	}
	endIfFirst()
}

func endIfFirst() {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	}
	_ = unix.Nanosleep(&unix.Timespec{Sec: 300}, nil)
}

// withoutFirstThread starts a process whose first thread has ended.
func withoutFirstThread(t *testing.T) Identity {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_END_FIRST_THREAD=1", "CCS_MARK=of-many-threads")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	poll(t, "the end of the first thread", func() bool { st, err := ReadStat(id.PID); return err == nil && st.State == 'Z' })
	return id
}

func TestAProcessWhoseFirstThreadEndedLives(t *testing.T) {
	id := withoutFirstThread(t)
	p, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if st, err := ReadStat(id.PID); err != nil || st.Ended() || p.Ended() {
		t.Errorf("it is %+v, %v; by its pidfd it has ended: %v", st, err, p.Ended())
	}
	for name, tree := range map[string]Orphans{
		"its session": {Leader: id, Since: id.Start},
		"its mark":    {Since: id.Start, Mark: "CCS_MARK=of-many-threads"},
	} {
		if n := count(t, tree); n != 1 {
			t.Errorf("by %s %d processes live", name, n)
		}
	}
	tree := Orphans{Since: id.Start, Mark: "CCS_MARK=of-many-threads"}
	if err := tree.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	poll(t, "the end of all threads", func() bool { return !lives(t, tree) })
}

func TestAProcessOfOneThreadThatEndedIsDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	poll(t, "its end", func() bool { st, err := ReadStat(cmd.Process.Pid); return err == nil && st.Ended() })
}

// withoutDescriptors calls while no file can be opened.
func withoutDescriptors(t *testing.T, call func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(limit unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.Rlimit{Cur: 3, Max: old.Max})
	defer set(old)
	call()
}

func TestWhatCannotBeLookedAtIsNotTakenForDead(t *testing.T) {
	_, p := child(t, "sleep", "60")
	id := p.Identity()
	tree := Orphans{Leader: id, Since: id.Start}
	withoutDescriptors(t, func() {
		if alive, err := tree.Alive(); err == nil {
			t.Errorf("without descriptors it is said to live: %v", alive)
		}
		if err := tree.Signal(unix.SIGKILL); err == nil {
			t.Error("without descriptors it was signaled")
		}
		if _, err := Open(id); err == nil || errors.Is(err, ErrGone) {
			t.Errorf("without descriptors it is %v", err)
		}
	})
	if p.Ended() || !lives(t, tree) {
		t.Error("it has ended")
	}
}

func TestAThreadIsNoProcess(t *testing.T) {
	boot, err := BootID()
	if err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, entry := range threads {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil || tid == os.Getpid() {
			continue
		}
		asked++
		if _, err := Open(Identity{Boot: boot, PID: tid, Start: 1}); !errors.Is(err, ErrGone) {
			t.Errorf("of a thread Open says %v", err)
		}
	}
	if asked == 0 {
		t.Fatal("this process has no second thread to ask about")
	}
}

// tree is a tree that does as it is told.
type tree struct {
	alive   bool
	unclear error // nothing can be said while it is set
	signals []syscall.Signal
}

func (f *tree) Signal(sig syscall.Signal) error {
	f.signals = append(f.signals, sig)
	return f.unclear
}

func (f *tree) Alive() (bool, error) { return f.alive, f.unclear }

func (f *tree) Living() ([]Stat, error) {
	if !f.alive {
		return nil, f.unclear
	}
	return []Stat{{PID: 7, Name: "stuck"}}, f.unclear
}

// supervision is over a leader that has ended.
func supervision(t *testing.T, over Tree) *Supervision {
	t.Helper()
	cmd := exec.Command("sh", "-c", "exit 4")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	leader, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leader.Close(); _ = cmd.Wait() })
	return &Supervision{Leader: leader, Tree: over, Reap: func() {}, Wake: -1, Stopped: func() bool { return false }, Ends: func(Cause) {}}
}

func TestLeftoversThatKillDoesNotEndHoldUpTheEndForABoundedTimeAndAreNamed(t *testing.T) {
	fake := &tree{alive: true}
	began := time.Now()
	end := supervision(t, fake).Run()
	if !end.Known || end.Status.Code != 4 || len(end.Stuck) != 1 || end.Stuck[0].Name != "stuck" {
		t.Errorf("it ended as %+v", end)
	}
	if took := time.Since(began); took > 20*time.Second || len(fake.signals) > 30 {
		t.Errorf("it took %v and %d signals", took, len(fake.signals))
	}
}

func TestWhoseEndIsNotKnownIsNotGivenUpWhileSomethingOfItLives(t *testing.T) {
	fake := &tree{alive: true}
	s := supervision(t, fake)
	s.Leader, s.Gone = nil, true
	began := time.Now()
	s.Reap = func() { fake.alive = time.Since(began) < leftoverKill+time.Second }
	if end := s.Run(); end.Known || end.Stuck != nil || fake.alive {
		t.Errorf("it ended as %+v, alive: %v", end, fake.alive)
	}
}

func TestATreeThatCannotBeSeenIsWaitedFor(t *testing.T) {
	fake := &tree{unclear: errors.New("no descriptors")}
	s := supervision(t, fake)
	s.Leader = nil
	looks := 0
	s.Reap = func() {
		if looks++; looks == 3 {
			fake.unclear = nil
		}
	}
	if end := s.Run(); looks < 3 || len(fake.signals) != 0 {
		t.Errorf("it ended as %+v after %d looks and signals %v", end, looks, fake.signals)
	}
}

func TestAnEndInTheInstantOfTheStopIsTheLeadersOwn(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read line; exit 5")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	leader, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	defer func() { _ = cmd.Wait() }()
	s := &Supervision{Leader: leader, Tree: &tree{}, Reap: func() {}, Wake: -1, Ends: func(Cause) {}, Stopped: func() bool {
		_ = in.Close() // it ends after it was seen alive, before the stop is carried out
		return leader.Wait(t.Context()) == nil
	}}
	if end := s.Run(); end.Cause != ByItself || end.Status.Code != 5 {
		t.Errorf("it ended as %+v", end)
	}
}

func TestWhyATreeIsEndedIsSaidBeforeTheFirstSignal(t *testing.T) {
	fake := &tree{alive: true}
	s := supervision(t, fake)
	s.Leader, s.Timeout = nil, time.Millisecond
	var said []Cause
	s.Ends = func(why Cause) {
		if len(fake.signals) > 0 {
			t.Errorf("there were signals before: %v", fake.signals)
		}
		said = append(said, why)
		fake.alive = false
	}
	if end := s.Run(); end.Cause != ByTimeout || len(said) != 1 || said[0] != ByTimeout || len(fake.signals) == 0 {
		t.Errorf("it ended as %+v, for %v, with signals %v", end, said, fake.signals)
	}
}

func TestASuccessorKnowsThatTheLeaderWasToldToEnd(t *testing.T) {
	for _, why := range []Cause{ByTimeout, ByStop} {
		fake := &tree{}
		s := supervision(t, fake) // its leader ends in any case
		s.Began = why
		s.Ends = func(why Cause) { t.Errorf("it is told again that it ends by %v", why) }
		if end := s.Run(); end.Cause != why || end.Status.Code != 4 {
			t.Errorf("it ended as %+v", end)
		}
		if len(fake.signals) == 0 { // the predecessor may have died before it sent any
			t.Error("nobody was told to end")
		}
	}
}

func TestAChildIsHeldAlsoWhenNothingCanBeOpened(t *testing.T) {
	boot, err := BootID()
	if err != nil {
		t.Fatal(err)
	}
	pidfd := -1
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 3"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{PidFD: &pidfd}})
	if err != nil || pidfd < 0 {
		t.Fatalf("%v, pidfd %d", err, pidfd)
	}
	var p *Process
	withoutDescriptors(t, func() {
		p = Child(pidfd, pid, boot)
		if id := p.Identity(); id.PID != pid || id.Start != 0 {
			t.Errorf("without descriptors it is %+v", id)
		}
	})
	defer p.Close()
	if id, err := Of(pid); err != nil || p.Identity() != id {
		t.Errorf("it is %+v, not %+v, %v", p.Identity(), id, err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, known := p.Reap(); !known || status.Code != 3 {
		t.Errorf("it ended as %+v, %v", status, known)
	}
}
