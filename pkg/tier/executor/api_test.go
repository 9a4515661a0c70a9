package executor

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// mark is the tree of a command's first attempt.
func (h *host) mark(id string) proc.Orphans {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", id))
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	a, err := dir.Attempt(1)
	if err != nil {
		h.Fatal(err)
	}
	return proc.Orphans{Since: a.Supervisor.Start, Mark: a.MarkEntry()}
}

func TestASecondExecutorOnOneDirectoryIsRefusedAndToldWhoHoldsIt(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "true"))
	cfg := Config{StateDir: h.state, Socket: h.socket + "2", EndProcess: endProcess, Slots: 1, MaxRecords: 100, SpoolBytes: 1 << 30}
	_, err := Open(cfg, Deps{Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(h.process.Process.Pid)) {
		t.Errorf("the second executor is told: %v", err)
	}
	if _, err := Listen(h.socket); err == nil {
		t.Error("the socket of a living executor was taken")
	}
	h.ended("a")
}

func TestEveryFaultOfAConfigurationIsNamedAtOnce(t *testing.T) {
	err := Config{StateDir: "relative", Socket: "/" + strings.Repeat("x", 200), Slots: -1}.Validate()
	for _, key := range []string{"state_dir", "socket", "endprocess", "slots", "max_records"} {
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
}

func TestSlotsHoldBackWhatIsTooMuchAndKeepTheOrder(t *testing.T) {
	h := newHost(t)
	h.slots = 2
	h.launch()
	dir := t.TempDir()
	one, open1, _ := gated(t, "one")
	two, open2, _ := gated(t, "two")
	h.accept(one)
	h.accept(two)
	h.running("one")
	h.running("two")
	for _, id := range []string{"q1", "q2", "q3"} {
		h.accept(shell(id, "echo "+id+" >>"+dir+"/order"))
	}
	other := shell("other", "true")
	other.Spec.SlotGroup = "another"
	h.accept(other)
	h.becomes("other", task.Succeeded, task.Exit{}) // a group of its own has slots of its own
	if exists(dir + "/order") {
		t.Error("a third command ran on two slots")
	}
	open1()
	h.becomes("q3", task.Succeeded, task.Exit{})
	if got, _ := os.ReadFile(dir + "/order"); string(got) != "q1\nq2\nq3\n" {
		t.Errorf("the order was %q", got)
	}
	open2()
	h.ended("two")
}

func TestAStartByThatPassesInTheQueueExpires(t *testing.T) {
	h := newHost(t)
	h.slots = 1
	h.launch()
	first, open, _ := gated(t, "first")
	h.accept(first)
	h.running("first")
	witness := filepath.Join(t.TempDir(), "witness")
	late := shell("late", "echo x >>"+witness)
	late.Spec.StartBy = time.Now().Add(10 * time.Millisecond)
	h.accept(late)
	h.poll("the start-by", func() bool { return time.Now().After(late.Spec.StartBy) })
	open()
	h.becomes("late", task.Expired, task.Exit{Reason: task.StartByPassed})
	if lines(t, witness) != 0 {
		t.Error("it was started")
	}
}

func TestBadRequestsAreRefusedWithEveryFaultAndChangeNothing(t *testing.T) {
	h := boot(t)
	bad := order("Not/An/Id")
	bad.Spec.RememberUntil = time.Time{}
	_, err := h.api.Start(h.ctx(), wire.StartToProto(bad))
	for _, want := range []string{"command id", "remember_until", "argv"} {
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("the answer does not name %s: %v", want, err)
		}
	}
	big := order("a")
	big.Spec.Run.Interpreter, big.Script = []string{"sh"}, make([]byte, spool.MaxScript+1)
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(big)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a script over its limit: %v", err)
	}
	second := shell("a", "true")
	second.Attempt = 2
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(second)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a second attempt of nothing: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(h.state, "commands")); len(entries) != 0 {
		t.Errorf("something was recorded: %v", entries)
	}
}

func TestSessionNumbersNeverRepeat(t *testing.T) {
	h := boot(t)
	next := uint64(1)
	for range 3 {
		r, err := h.api.ReserveSessions(h.ctx(), &executorv1.ReserveSessionsRequest{Count: 10})
		if err != nil || r.GetFirst() != next {
			t.Fatalf("the block begins at %d, want %d: %v", r.GetFirst(), next, err)
		}
		next += 10
		h.kill()
		h.launch()
	}
	if _, err := h.api.ReserveSessions(h.ctx(), &executorv1.ReserveSessionsRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no numbers at all: %v", err)
	}
	if _, err := h.api.ReserveSessions(h.ctx(), &executorv1.ReserveSessionsRequest{Count: maxSessions + 1}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("more than may be had at once: %v", err)
	}
	if r, err := h.api.ReserveSessions(h.ctx(), &executorv1.ReserveSessionsRequest{Count: maxSessions}); err != nil || r.GetFirst() != next {
		t.Errorf("as many as may be had at once begin at %d, want %d: %v", r.GetFirst(), next, err)
	}
}

func TestTheIncarnationStaysWithTheStateDirectory(t *testing.T) {
	h := boot(t)
	before, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{})
	if err != nil || len(before.GetIncarnation()) != 16 || before.GetBootId() == "" || before.GetVersion() != "test" {
		t.Fatalf("GetInfo answers %v, %v", before, err)
	}
	h.kill()
	h.launch()
	after, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{})
	if err != nil || !bytes.Equal(before.GetIncarnation(), after.GetIncarnation()) {
		t.Errorf("after a restart it is %v, %v", after, err)
	}
}

func TestListTellsEverythingOnceAndEnds(t *testing.T) {
	h := boot(t)
	for n := range 3 {
		h.stop("c"+strconv.Itoa(n), 1)
	}
	stream, err := h.api.List(h.ctx(), &executorv1.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for {
		m, err := stream.Recv()
		if err != nil {
			break
		}
		for _, c := range m.GetCommands() {
			seen[c.GetCommandId()]++
		}
	}
	if len(seen) != 3 || seen["c0"] != 1 {
		t.Errorf("the list is %v", seen)
	}
}

func TestAWatcherHearsTheSnapshotFirstAndThenEveryOutcome(t *testing.T) {
	h := boot(t)
	h.stop("before", 1)
	stream, err := h.api.Watch(h.ctx(), &executorv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil || !m.GetSnapshotComplete() || len(m.GetCommands()) != 1 {
		t.Fatalf("the snapshot is %v, %v", m, err)
	}
	want := 20 // the watcher reads nothing meanwhile
	for n := range want {
		h.accept(shell("c"+strconv.Itoa(n), "true"))
	}
	for n := range want {
		h.ended("c" + strconv.Itoa(n))
	}
	done := map[string]bool{}
	for len(done) < want {
		m, err := stream.Recv()
		if err != nil {
			t.Fatalf("after %d outcomes: %v", len(done), err)
		}
		for _, c := range m.GetCommands() {
			if r, _ := wire.CommandFromProto(c); r.Report.State == task.Succeeded {
				done[r.ID] = true
			}
		}
	}
}

func TestATimeoutThatOnlyReportsIsShownWhileItRuns(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	o.Spec.Run.Timeout, o.Spec.Run.ReportOnly = 50*time.Millisecond, true
	h.accept(o)
	h.until("a", "overdue", func(c wire.HostCommand) bool { return c.Report.State == task.Running && c.Detail.Overdue })
	open()
	if c := h.becomes("a", task.Failed, task.Exit{Code: 7}); !c.Detail.Overdue {
		t.Error("the outcome does not say that it was overdue")
	}
}

func TestAMissingEndProcessMeansStartFailedNotSilence(t *testing.T) {
	h := newHost(t)
	h.end = filepath.Join(t.TempDir(), "ccs-endprocess")
	if err := os.WriteFile(h.end, []byte("#!/nonexistent\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.accept(shell("a", "true"))
	h.becomes("a", task.StartFailed, task.Exit{Reason: task.NoResources})
}

func TestAFullDiskRefusesStartsAndHarmsNothingElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the small disk that is filled here")
	}
	h := newHost(t)
	if err := syscall.Mount("tmpfs", h.state, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(h.state, syscall.MNT_DETACH) })
	h.launch()
	o, open, _ := gated(t, "runs")
	h.accept(o)
	h.running("runs")
	filler := filepath.Join(h.state, "filler")
	fill(t, filler)
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(shell("no", "true"))); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("on a full disk the start answers %v", err)
	}
	open()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.becomes("runs", task.Failed, task.Exit{Code: 7})
	h.accept(shell("no", "true"))
	h.becomes("no", task.Succeeded, task.Exit{})
}

func TestWhatFillsTheDiskCanBeStopped(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount the small disk that is filled here")
	}
	h := newHost(t)
	if err := syscall.Mount("tmpfs", h.state, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(h.state, syscall.MNT_DETACH) })
	h.launch()
	h.accept(shell("fills", "exec sleep 600"))
	h.running("fills")
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", "fills"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	h.poll("the leader's record", func() bool { _, err := dir.Started(1); return err == nil })
	run, _ := dir.Started(1)
	leader, err := proc.Open(run.Leader)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	filler := filepath.Join(h.state, "filler")
	fill(t, filler)
	h.stop("fills", 1)
	h.poll("its end", leader.Ended)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.becomes("fills", task.Canceled, task.Exit{Reason: task.Killed, Signal: int32(syscall.SIGTERM)})
}

func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	block := make([]byte, 4096)
	for n := 0; ; n++ {
		if _, err := file.Write(block); err != nil {
			return
		}
		if n > 1000 {
			t.Fatal("the small disk is not small")
		}
	}
}

func TestAnotherAccountIsNotServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can call as another account")
	}
	h := boot(t)
	h.accept(shell("a", "true"))
	// The socket's mode would stop it already; the credentials must too.
	for path := h.socket; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(filepath.Dir(h.socket), "caller")
	if out, err := exec.Command("cp", os.Args[0], copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	stranger := exec.Command(copied)
	stranger.Env = append(os.Environ(), "TEST_STRANGER_SOCKET="+h.socket)
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := stranger.CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
}

// callForTest is a caller of another account; 0: it was not served.
func callForTest(socket string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 2
	}
	defer conn.Close()
	_, err = executorv1.NewExecutorServiceClient(conn).GetInfo(ctx, &executorv1.GetInfoRequest{})
	if status.Code(err) != codes.Unavailable {
		_, _ = os.Stderr.WriteString("the call answers " + status.Code(err).String())
		return 1
	}
	return 0
}

func TestWhatIsToBeRememberedForTooLongIsRefused(t *testing.T) {
	h := boot(t)
	far := shell("a", "true")
	far.Spec.RememberUntil = time.Now().Add(greatestE + time.Hour)
	_, err := h.api.Start(h.ctx(), wire.StartToProto(far))
	if err == nil || !strings.Contains(err.Error(), "remember_until") || !strings.Contains(err.Error(), "32 days") {
		t.Errorf("the start answers %v", err)
	}
	_, err = h.api.Signal(h.ctx(), &executorv1.SignalRequest{CommandId: "a", Attempt: 1, RememberUntil: wire.TimeToProto(far.Spec.RememberUntil)})
	if err == nil || !strings.Contains(err.Error(), "remember_until") {
		t.Errorf("the stop answers %v", err)
	}
	h.accept(shell("a", "true"))
	h.ended("a")
}

func TestNoiseInTheBellDoesNotMakeItDeaf(t *testing.T) {
	h := boot(t)
	h.accept(shell("first", "true"))
	h.ended("first")
	bell, err := os.OpenFile(filepath.Join(h.state, "bell"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bell.Close() }()
	if _, err := bell.WriteString(strings.Repeat("x", 1<<20) + "\n"); err != nil {
		t.Fatal(err)
	}
	o, open, _ := gated(t, "a")
	h.accept(o)
	began := time.Now()
	h.running("a") // the bell says so; the slow pull would take 15 seconds
	open()
	h.ended("a")
	if took := time.Since(began); took > lookAgainEvery {
		t.Errorf("it took %v", took)
	}
}

func TestAnAcceptanceThatCannotBeReadAgainIsRefusedAndLeavesNothing(t *testing.T) {
	h := boot(t)
	many := order("a", "/bin/true")
	for range 40_000 {
		many.Spec.Run.Argv = append(many.Spec.Run.Argv, "")
	}
	h.accept(many)
	h.becomes("a", task.Succeeded, task.Exit{})
	h.kill()
	h.launch()
	if c := h.ended("a"); string(c.Context) != "context of a" {
		t.Errorf("after a restart its context is %q", c.Context)
	}
	long := order("b", "/bin/true")
	long.Spec.Run.Dir = strings.Repeat("/x", spool.MaxPath)
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(long)); err == nil || !strings.Contains(err.Error(), "cwd") {
		t.Errorf("the start answers %v", err)
	}
	if exists(filepath.Join(h.state, "commands", "b")) {
		t.Error("something was recorded")
	}
}
