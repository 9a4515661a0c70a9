package executor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

func (h *host) release(id string, serverTime time.Time) bool {
	h.Helper()
	r, err := h.api.Release(h.ctx(), &executorv1.ReleaseRequest{CommandId: id, ServerTime: wire.TimeToProto(serverTime)})
	if err != nil {
		h.Fatalf("Release(%s): %v", id, err)
	}
	return r.GetReleased()
}

func TestAReleasedCommandIsRememberedAndNotStartedAgain(t *testing.T) {
	h := boot(t)
	o := shell("a", "true")
	if h.release("a", time.Now()) {
		t.Error("an unknown command was released")
	}
	h.accept(o)
	h.ended("a")
	for range 2 {
		if !h.release("a", time.Now()) {
			t.Error("an ended command was not released")
		}
	}
	if exists(filepath.Join(h.state, "commands", "a")) || !exists(filepath.Join(h.state, "tombs", "a")) {
		t.Error("its directory is there, or its tombstone is not")
	}
	for range 2 {
		if r := h.start(o); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RELEASED {
			t.Errorf("the same start again answers %v", r)
		}
		h.kill()
		h.launch()
	}
}

// Whoever fetches the output of a command that is being released gets all of it,
// or is told that the command is gone; never an output that looks empty.
func TestOutputThatIsReleasedMeanwhileIsWholeOrNotFound(t *testing.T) {
	h := boot(t)
	for n := range 10 {
		id := "c" + strconv.Itoa(n)
		h.accept(shell(id, "echo hello"))
		h.ended(id)
		gone := make(chan error, 1)
		go func() {
			_, err := h.api.Release(h.ctx(), &executorv1.ReleaseRequest{CommandId: id, ServerTime: wire.TimeToProto(time.Now())})
			gone <- err
		}()
		for {
			text, err := h.fetch(id)
			if status.Code(err) == codes.NotFound {
				break
			}
			if err != nil || text != "hello\n" {
				t.Fatalf("command %s, try: %q, %v", id, text, err)
			}
		}
		if list := h.listed(); list[id] {
			t.Errorf("%s has no output any more and is listed", id)
		}
		if err := <-gone; err != nil {
			t.Error(err)
		}
	}
}

// fetch is the standard output of a first attempt, if there is one.
func (h *host) fetch(id string) (text string, err error) {
	stream, err := h.api.FetchOutput(h.ctx(), &executorv1.FetchOutputRequest{CommandId: id, Attempt: 1, Stream: typesv1.Stream_STREAM_STDOUT})
	for err == nil {
		var m *executorv1.FetchOutputResponse
		m, err = stream.Recv()
		text += string(m.GetContent())
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}

// listed is the commands that the executor tells of.
func (h *host) listed() map[string]bool {
	h.Helper()
	stream, err := h.api.List(h.ctx(), &executorv1.ListRequest{})
	if err != nil {
		h.Fatal(err)
	}
	all := map[string]bool{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			h.Fatal(err)
		}
		for _, c := range m.GetCommands() {
			all[c.GetCommandId()] = true
		}
	}
}

func TestWhatRunsIsNotReleased(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	if h.release("a", time.Now()) {
		t.Error("a running command was released")
	}
	open()
	h.ended("a")
}

func TestATombstoneGoesOnlyPastEByBothClocksAndThenWSpeaks(t *testing.T) {
	h := boot(t)
	o := shell("a", "true")
	o.Spec.RememberUntil = time.Now().Add(time.Millisecond)
	o.Spec.StartBy = time.Time{}
	later := &executorv1.GetInfoRequest{ServerTime: wire.TimeToProto(time.Now().Add(time.Hour))}
	if _, err := h.api.GetInfo(h.ctx(), later); err != nil { // a server whose clock is ahead, once
		t.Fatal(err)
	}
	old := shell("old", "true")
	old.Spec.RememberUntil, old.Spec.StartBy = time.Now().Add(-2*time.Hour), time.Time{}
	for _, o := range []wire.StartOrder{o, old} {
		h.accept(o)
		h.ended(o.Spec.ID)
		h.release(o.Spec.ID, time.Now().Add(-time.Hour)) // past E here; there only the old one
	}
	h.poll("the purge of the old one", func() bool {
		info, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{ServerTime: wire.TimeToProto(time.Now().Add(-time.Hour))})
		return err == nil && info.GetPurgedUntil() != nil
	})
	if r := h.start(o); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RELEASED {
		t.Fatalf("before it is past E by both clocks the start answers %v", r)
	}
	h.poll("the purge", func() bool {
		info, err := h.api.GetInfo(h.ctx(), later)
		return err == nil && info.GetPurgedUntil().AsTime().Equal(o.Spec.RememberUntil)
	})
	for range 2 {
		if r := h.start(o); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_PAST_W {
			t.Errorf("past W the start answers %v", r)
		}
		r, err := h.api.Signal(h.ctx(), &executorv1.SignalRequest{CommandId: "a", Attempt: 1, RememberUntil: wire.TimeToProto(o.Spec.RememberUntil)})
		if err != nil || r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_PAST_W {
			t.Errorf("past W the stop answers %v, %v", r, err)
		}
		h.kill()
		h.launch()
	}
	h.accept(shell("b", "true")) // E is ahead: W says nothing of it
	h.becomes("b", task.Succeeded, task.Exit{})
}

func TestWithNoRoomForAnotherRecordTheAnswerIsBusy(t *testing.T) {
	h := boot(t) // remembers 100
	for n := range 100 {
		h.stop("c"+strconv.Itoa(n), 1)
	}
	if r := h.start(shell("one-more", "true")); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_BUSY {
		t.Errorf("the start answers %v", r)
	}
	if r := h.stop("one-more", 1); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_BUSY {
		t.Errorf("the stop answers %v", r)
	}
	if r := h.stop("c7", 1); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RECORDED {
		t.Errorf("what is known is answered %v", r)
	}
}

func TestADamagedSpecificationIsSetAsideAndNeverRun(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	acceptOnly(t, h, o.Spec)
	spec := filepath.Join(h.state, "commands", "a", "spec")
	data, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec, []byte(strings.Replace(string(data), "echo x", "echo y", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.launch()
	for range 2 {
		h.becomes("a", task.StartFailed, task.Exit{Reason: task.BadSpec})
		if s := h.start(o).GetCommand().GetStatus(); s.GetState() != typesv1.TaskState_TASK_STATE_START_FAILED {
			t.Errorf("the same start again answers %v", s)
		}
		h.kill()
		h.launch()
	}
	if !exists(spec+".damaged") || lines(t, witness) != 0 {
		t.Error("the damaged file is gone, or it was run")
	}
	h.becomes("a", task.StartFailed, task.Exit{Reason: task.BadSpec}) // the executor has looked
	if !h.release("a", time.Now()) {
		t.Error("it cannot be released")
	}
}

func TestADamagedRecordOfTheAttemptIsTakenForAStart(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	acceptOnly(t, h, o.Spec)
	if err := os.WriteFile(filepath.Join(h.state, "commands", "a", "attempt.1"), []byte("by=\"end-pro"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
	if lines(t, witness) != 0 {
		t.Error("it was run")
	}
}

func TestWhatADamagedRecordOfALivingAttemptIsOfIsNotTakenForDead(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	if err := os.WriteFile(filepath.Join(h.state, "commands", "a", "attempt.1"), []byte("by=\"end-pro"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.running("a")
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if strings.Contains(h.log(), "taken over") { // two would drain its output
		t.Error("it was taken over from an end-process that lives")
	}
}

func TestACommandWhoseRecordIsDamagedWhileItRunsCanBeStopped(t *testing.T) {
	h := boot(t)
	o, _, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	if err := os.WriteFile(filepath.Join(h.state, "commands", "a", "attempt.1"), []byte("by=\"end-pro"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.running("a")
	h.stop("a", 1)
	if c := h.ended("a"); c.Report.State != task.Canceled || c.Report.Exit.Reason != task.Killed {
		t.Errorf("it became %+v", c.Report)
	}
}

func TestADamagedOutcomeIsLostAndKeptForAPerson(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "true"))
	h.ended("a")
	h.kill()
	exit := filepath.Join(h.state, "commands", "a", "exit.1")
	if err := os.Truncate(exit, 20); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
	if !exists(exit + ".damaged") {
		t.Error("the damaged record is gone")
	}
}

func TestLeftoversOfAnInterruptedWriteAreSwept(t *testing.T) {
	h := newHost(t)
	acceptOnly(t, h, shell("whole", "true").Spec)
	half := filepath.Join(h.state, "commands", "half")
	strange := filepath.Join(h.state, "commands", "strange")
	for _, dir := range []string{half, strange} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(half, "script"), filepath.Join(strange, "attempt.1")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.launch()
	h.becomes("whole", task.Succeeded, task.Exit{})
	h.becomes("strange", task.Lost, task.Exit{Reason: task.SupervisorLost}) // it may have run
	if exists(half) {
		t.Error("half is there")
	}
}

func TestACommandWhoseSpecificationIsGoneIsNotRunAgain(t *testing.T) {
	h := boot(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	h.accept(o)
	h.becomes("a", task.Succeeded, task.Exit{})
	for range 2 {
		h.kill()
		if err := os.Remove(filepath.Join(h.state, "commands", "a", "spec")); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		h.launch()
		h.start(o) // whoever does not know that it has ended sends it again
		h.becomes("a", task.Succeeded, task.Exit{})
	}
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was run %d times", n)
	}
	if !h.release("a", time.Now()) {
		t.Error("it cannot be released")
	}
}

func TestATombstoneIsTheLaterWordThanADirectory(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	acceptOnly(t, h, o.Spec) // what is left of an acceptance that failed
	root, err := spool.Open(h.state)
	if err != nil {
		t.Fatal(err)
	}
	v := canceled("a", 1, o.Spec.RememberUntil, nil, time.Now())
	if _, err := root.Bury(spool.Tomb{ID: "a", RememberUntil: v.rememberUntil, Attempt: 1, Outcome: v.outcome}); err != nil {
		t.Fatal(err)
	}
	root.Close()
	h.launch()
	h.becomes("a", task.Canceled, task.Exit{Reason: task.BeforeStart})
	if lines(t, witness) != 0 || exists(filepath.Join(h.state, "commands", "a")) {
		t.Error("it was run, or its directory is there")
	}
}

func TestOneUnreadableCommandDoesNotKeepTheHostDown(t *testing.T) {
	h := newHost(t)
	acceptOnly(t, h, shell("bad", "true").Spec)
	acceptOnly(t, h, shell("good", "true").Spec)
	spec := filepath.Join(h.state, "commands", "bad", "spec")
	if err := errors.Join(os.Remove(spec), os.Symlink("/nonexistent", spec)); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.becomes("good", task.Succeeded, task.Exit{})
	h.becomes("bad", task.StartFailed, task.Exit{Reason: task.BadSpec})
}

func TestADamagedSpecificationIsReportedToWhomItBelongs(t *testing.T) {
	h := newHost(t)
	o := shell("a", "echo x")
	acceptOnly(t, h, o.Spec)
	spec := filepath.Join(h.state, "commands", "a", "spec")
	data, err := os.ReadFile(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec, []byte(strings.Replace(string(data), "echo x", "echo y", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.launch()
	for range 2 {
		c := h.becomes("a", task.StartFailed, task.Exit{Reason: task.BadSpec})
		if string(c.Context) != "context of a" || !c.RememberUntil.Equal(o.Spec.RememberUntil) {
			t.Errorf("it is told with the context %q, to be remembered until %v", c.Context, c.RememberUntil)
		}
		h.kill()
		h.launch()
	}
}

func TestACommandThatCouldNotBeReadAtFirstIsRunWhenItCan(t *testing.T) {
	h := newHost(t)
	o := shell("a", "true")
	acceptOnly(t, h, o.Spec)
	e, err := Open(Config{StateDir: h.state, Socket: h.socket, EndProcess: endProcess, Slots: 1, MaxRecords: 100, SpoolBytes: 1 << 30}, Deps{Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	e.commands["a"] = e.fromFound(spool.Found{ID: "a", Spec: spool.Spec{ID: "a"}, Latest: 1, Unread: errors.New("the disk is slow")})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()
	var c wire.HostCommand
	h.poll("the outcome", func() bool {
		c, err = ask(ctx, e, func(_ context.Context, reply func(wire.HostCommand, error)) { reply(e.commands["a"].view(), nil) })
		return err != nil || c.Report.State.Final()
	})
	if err != nil || c.Report.State != task.Succeeded || string(c.Context) != "context of a" || !c.RememberUntil.Equal(o.Spec.RememberUntil) {
		t.Errorf("it is %+v, %v", c, err)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
