package executor

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestTheSpoolsRoomIsCountedAndWhatWouldNotFitIsRefusedUntilSomethingGoes(t *testing.T) {
	h := newHost(t)
	h.spool = leastSpool
	h.launch()
	o, open, _ := gated(t, "long")
	o.Spec.Run.Keep = spool.MaxKept // of each output, until it has ended
	h.accept(o)
	h.running("long")
	next := shell("next", "true")
	next.Spec.Run.Keep = spool.MaxKept
	_, err := h.api.Start(h.ctx(), wire.StartToProto(next))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "spool_bytes") || !strings.Contains(err.Error(), "ask again later") {
		t.Fatalf("two commands that may take more than there is: %v", err)
	}
	h.kill() // what is on the disk takes its room with the next executor too
	h.launch()
	h.running("long")
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(next)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("after a restart: %v", err)
	}
	h.accept(shell("small", "true"))
	open()
	h.becomes("long", task.Failed, task.Exit{Code: 7})
	h.accept(next) // what has ended takes what it has written
	h.becomes("next", task.Succeeded, task.Exit{})
}

func TestTheRoomOfACommandThatIsReleasedComesBack(t *testing.T) {
	e := open(t, t.TempDir())
	defer e.root.Close()
	spec := shell("a", "true").Spec
	spec.Run.Keep, spec.Run.Stdin = 1000, spool.Attachment{Present: true, Size: 50}
	c := newCommand(spec, 1)
	e.takeRoom(c, spec)
	if want := uint64(recordBytes+50) + 2*spool.OnDisk(1000); e.room.taken != want || c.room != want {
		t.Errorf("it takes %d, want %d", e.room.taken, want)
	}
	e.keepOnly(c, spool.Outcome{Kept: [2]uint64{10, 20}})
	e.keepOnly(c, spool.Outcome{}) // once
	if want := uint64(recordBytes + 50 + 30); e.room.taken != want {
		t.Errorf("ended it takes %d, want %d", e.room.taken, want)
	}
	e.takeOutputs(c, spec.Run) // the next attempt
	if want := uint64(recordBytes+50+30) + 2*spool.OnDisk(1000); e.room.taken != want {
		t.Errorf("with another attempt it takes %d, want %d", e.room.taken, want)
	}
	e.keepOnly(c, spool.Outcome{Kept: [2]uint64{1000, 0}, Tail: [2]uint64{500, 0}, Cut: [2]uint64{9000, 0}})
	if want := uint64(recordBytes+50+30) + spool.OnDisk(1000); e.room.taken != want {
		t.Errorf("ended with a cut it takes %d, want %d", e.room.taken, want)
	}
	e.giveBack(c, c.room)
	if e.room.taken != 0 || c.room != 0 {
		t.Errorf("released it takes %d, of it %d", e.room.taken, c.room)
	}
}

// lostTwice is a directory with two commands, a and b, that were lost and may be
// run again; the outputs of each may take most of the room.
func lostTwice(t *testing.T) (path string, e *Executor, o wire.StartOrder) {
	t.Helper()
	path = t.TempDir()
	o = shell("a", "true")
	o.Spec.Run.Keep = spool.MaxKept
	for _, id := range []string{"a", "b"} {
		root, err := spool.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o.Spec.ID = id
		if err := root.Accept(o.Spec, nil, nil); err != nil {
			t.Fatal(err)
		}
		root.Close()
	}
	e = open(t, path)
	e.room.limit = leastSpool
	for _, c := range e.commands {
		e.keepOnly(c, spool.Outcome{})
		c.settle(spool.Outcome{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}, [2][32]byte{})
	}
	return path, e, o
}

func TestTwoReRunsAtATimeDoNotTakeTheSameRoom(t *testing.T) {
	_, e, o := lostTwice(t)
	defer e.root.Close()
	var refused []error
	for _, id := range []string{"a", "b"} {
		o.Attempt, o.Spec.ID = 2, id
		e.acceptNext(e.commands[id], o, "", func(_ answer, err error) { refused = append(refused, err) })
	}
	close(e.stopped) // the loop never ran: whatever was answered was answered at once
	e.work.Wait()
	if len(refused) != 1 || !errors.Is(refused[0], wire.ErrTooMuch) {
		t.Errorf("answered %v, want one that is too much; %d of %d bytes are taken", refused, e.room.taken, e.room.limit)
	}
}

func TestTheOutputsOfEarlierAttemptsTakeTheirRoomAlsoAfterARestart(t *testing.T) {
	path, e, o := lostTwice(t)
	dir, err := e.root.Command("a")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(dir.Path("stdout.1"), make([]byte, 1000), 0o600), dir.Accept(2, spool.Acceptance{}))
	dir.Close()
	e.root.Close()
	if err != nil {
		t.Fatal(err)
	}
	e = open(t, path)
	defer e.root.Close()
	o.Spec.ID = "a"
	if got, want := e.commands["a"].room, roomOf(o.Spec)+1000; got != want {
		t.Errorf("it takes %d, want %d with the output of its first attempt", got, want)
	}
}

func TestNothingIsAcceptedWhileTheDiskIsNearlyFull(t *testing.T) {
	dir := t.TempDir()
	cfg := Default()
	cfg.StateDir, cfg.EndProcess, cfg.MinFreeBytes = dir, endProcess, 1<<60
	h := newHost(t)
	h.state, h.minFree = dir, cfg.MinFreeBytes
	h.launch()
	_, err := h.api.Start(h.ctx(), wire.StartToProto(shell("a", "true")))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "min_free_bytes") {
		t.Errorf("the start answers %v", err)
	}
	if exists(filepath.Join(dir, "commands", "a")) {
		t.Error("something was written")
	}
	h.stop("b", 1) // a decision needs no room to speak of, and takes work away
	h.kill()
	h.minFree = 0
	h.launch()
	h.accept(shell("a", "true"))
	h.becomes("a", task.Succeeded, task.Exit{})
}

// What is due is found in order, whatever came when, and once.
func TestTombstonesAreForgottenInTheOrderInWhichTheyAreDue(t *testing.T) {
	all := newTombs()
	begin := time.Unix(1000, 0)
	for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(500) {
		all.add("t"+strconv.Itoa(n), begin.Add(time.Duration(n)*time.Second))
	}
	all.add("for ever", time.Time{})
	all.add("t7", begin) // its remember-until never changes
	limit := begin.Add(200 * time.Second)
	before := func(until time.Time) bool { return until.Before(limit) }
	taken, greatest := all.past(before, 150)
	if len(taken) != 150 || !greatest.Equal(begin.Add(149*time.Second)) || !all.has("t149") {
		t.Errorf("%d are taken, the greatest is %v, still known: %v", len(taken), greatest, all.has("t149"))
	}
	all.putBack(taken)
	taken, _ = all.past(before, 1000)
	all.forget(taken)
	rest, _ := all.past(before, 1000)
	if len(taken) != 200 || len(rest) != 0 || all.len() != 301 || all.has("t199") || !all.has("t200") || !all.has("for ever") {
		t.Errorf("%d were forgotten, then %d; %d are left", len(taken), len(rest), all.len())
	}
}

// An administrator may make the disk read-only while the executor lives, and it
// goes on when it can write again.
func TestAReadOnlyDiskHoldsUpAndLosesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a disk read-only")
	}
	h := newHost(t)
	if err := unix.Mount("tmpfs", h.state, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
		t.Skipf("cannot mount a disk here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(h.state, unix.MNT_DETACH) })
	h.launch()
	gate := filepath.Join(t.TempDir(), "gate")
	h.accept(shell("runs", "while [ ! -e "+gate+" ]; do /bin/sleep 0.02; done; exit 7"))
	h.running("runs")
	again := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("tmpfs", h.state, "tmpfs", unix.MS_REMOUNT|flags, "size=16m"); err != nil {
			t.Fatalf("cannot change the disk: %v", err)
		}
	}
	again(unix.MS_RDONLY)
	_, err := h.api.Start(h.ctx(), wire.StartToProto(shell("no", "true")))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("the start answers %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	leader := h.leader("runs")
	h.poll("the end of the command", func() bool { return !lives(leader) })
	again(0)
	h.becomes("runs", task.Failed, task.Exit{Code: 7})
	h.accept(shell("no", "true"))
	h.becomes("no", task.Succeeded, task.Exit{})
}

// Without descriptors nothing can be started or looked at; when they come back
// all goes on.
func TestWithoutDescriptorsCommandsWaitAndTheLoopGoesOn(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "runs")
	h.accept(o)
	h.running("runs")
	var old unix.Rlimit
	if err := unix.Prlimit(h.process.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 1 << 10}, &old); err != nil {
		t.Fatal(err)
	}
	_, err := h.api.Start(h.ctx(), wire.StartToProto(shell("no", "true")))
	if code := status.Code(err); code != codes.ResourceExhausted || !strings.Contains(err.Error(), "nothing was done") {
		t.Errorf("the start answers %v", err)
	}
	if c := h.running("runs"); c.Report.State != task.Running {
		t.Errorf("what runs is %v", c.Report)
	}
	open()
	old.Max = 1 << 10
	old.Cur = min(old.Cur, old.Max)
	if err := errors.Join(unix.Prlimit(h.process.Process.Pid, unix.RLIMIT_NOFILE, &old, nil)); err != nil {
		t.Fatal(err)
	}
	h.becomes("runs", task.Failed, task.Exit{Code: 7})
	h.accept(shell("no", "true"))
	h.becomes("no", task.Succeeded, task.Exit{})
}
