package executor

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAStopBeforeTheStartMeansThatNothingEverRuns(t *testing.T) {
	h := newHost(t)
	h.slots = 1
	h.launch()
	first, open, _ := gated(t, "first")
	witness := filepath.Join(t.TempDir(), "witness")
	h.accept(first)
	h.running("first")
	h.accept(shell("second", "echo x >>"+witness))
	r := h.stop("second", 1)
	if s := r.GetCommand().GetStatus(); s.GetState() != typesv1.TaskState_TASK_STATE_CANCELED || s.GetReason() != typesv1.Reason_REASON_BEFORE_START {
		t.Errorf("the stop answers %v", s)
	}
	open()
	h.ended("first")
	h.accept(shell("third", "true")) // passes the slot after the second
	h.becomes("third", task.Succeeded, task.Exit{})
	if n := lines(t, witness); n != 0 {
		t.Error("a canceled command was started")
	}
}

func TestAStopEndsTheWholeTreeOfARunningCommand(t *testing.T) {
	h := boot(t)
	dir := t.TempDir()
	// Two forks and two sessions away, deaf to TERM.
	escape := "setsid setsid sh -c \"trap '' TERM; echo here >" + dir + "/up; while :; do /bin/sleep 0.05; done\" </dev/null >/dev/null 2>&1 &"
	h.accept(shell("a", "trap '' TERM; "+escape+" while :; do /bin/sleep 0.05; done"))
	h.poll("the escaped process", func() bool { return exists(dir + "/up") })
	mark := h.mark("a")
	h.stop("a", 1)
	c := h.ended("a")
	if c.Report.State != task.Canceled || c.Report.Exit.Reason != task.Killed {
		t.Errorf("it became %v", c.Report)
	}
	left, err := mark.Living()
	left = slices.DeleteFunc(left, func(s proc.Stat) bool { return s.PID == h.supervisor("a").PID }) // it has said so, and is about to end
	if len(left) != 0 || err != nil {
		t.Errorf("these live on: %+v, %v", left, err)
	}
}

func TestAStopOfAnUnknownCommandIsRememberedSoThatALateStartDoesNothing(t *testing.T) {
	h := boot(t)
	r := h.stop("a", 1)
	if r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RECORDED || r.GetCommand().GetStatus().GetState() != typesv1.TaskState_TASK_STATE_CANCELED {
		t.Fatalf("the stop answers %v", r)
	}
	h.kill()
	h.launch()
	witness := filepath.Join(t.TempDir(), "witness")
	late := h.start(shell("a", "echo x >>"+witness))
	if late.GetCommand().GetStatus().GetState() != typesv1.TaskState_TASK_STATE_CANCELED {
		t.Errorf("the late start answers %v", late)
	}
	c := h.becomes("a", task.Canceled, task.Exit{Reason: task.BeforeStart})
	if string(c.Context) != "stop" || lines(t, witness) != 0 {
		t.Errorf("context %q, started %d times", c.Context, lines(t, witness))
	}
}

func TestADeclinedCommandIsRecordedAndNeverStarted(t *testing.T) {
	h := boot(t)
	decline := &executorv1.DeclineRequest{
		CommandId: "a", Attempt: 1, RememberUntil: wire.TimeToProto(time.Now().Add(time.Hour)), Context: []byte("why"),
		Status: wire.StatusToProto(task.Report{Attempt: 1, State: task.Refused, Exit: task.Exit{Reason: task.BadRole}}),
	}
	r, err := h.api.Decline(h.ctx(), decline)
	if err != nil || r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RECORDED {
		t.Fatalf("Decline answers %v, %v", r, err)
	}
	h.kill()
	h.launch()
	if late := h.start(shell("a", "true")); late.GetCommand().GetStatus().GetReason() != typesv1.Reason_REASON_ROLE {
		t.Errorf("the late start answers %v", late)
	}
	decline.CommandId, decline.Status = "b", wire.StatusToProto(task.Report{Attempt: 1, State: task.Succeeded})
	if _, err := h.api.Decline(h.ctx(), decline); err == nil {
		t.Error("a success was taken for a reason to decline")
	}
}

func TestDecliningWhatRunsTellsThatItRuns(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	r, err := h.api.Decline(h.ctx(), &executorv1.DeclineRequest{
		CommandId: "a", Attempt: 1, RememberUntil: wire.TimeToProto(time.Now().Add(time.Hour)),
		Status: wire.StatusToProto(task.Report{Attempt: 1, State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}}),
	})
	if err != nil || r.GetCommand().GetStatus().GetState() != typesv1.TaskState_TASK_STATE_RUNNING {
		t.Errorf("Decline answers %v, %v", r, err)
	}
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
}

func TestAStopAfterALossForbidsTheNextAttempt(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	beganBeforeReboot(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.Rebooted})
	if s := h.stop("a", 2).GetCommand().GetStatus(); s.GetAttempt() != 2 || s.GetState() != typesv1.TaskState_TASK_STATE_CANCELED {
		t.Errorf("the stop answers %v", s)
	}
	o.Attempt = 2
	if s := h.start(o).GetCommand().GetStatus(); s.GetState() != typesv1.TaskState_TASK_STATE_CANCELED {
		t.Errorf("the late start answers %v", s)
	}
	if n := lines(t, witness); n != 0 {
		t.Error("it was started")
	}
}

func TestAWishToStopReachesTheEndProcessAfterARestart(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "exec /bin/sleep 300"))
	h.running("a")
	h.kill()
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := dir.Stop(); err != nil { // the executor was killed before it told the end-process
		t.Fatal(err)
	}
	h.launch()
	h.becomes("a", task.Canceled, task.Exit{Reason: task.Killed, Signal: int32(unix.SIGTERM)})
}

func TestAStopOfAnotherAttemptStopsNothing(t *testing.T) {
	h := newHost(t)
	o, open, _ := gated(t, "a")
	beganBeforeReboot(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.Rebooted})
	second := o
	second.Attempt = 2
	h.accept(second)
	h.running("a")
	if s := h.stop("a", 1).GetCommand().GetStatus(); s.GetAttempt() != 2 {
		t.Errorf("a stop of the attempt before answers %v", s)
	}
	if r, err := h.api.Signal(h.ctx(), &executorv1.SignalRequest{CommandId: "a", Attempt: 3, RememberUntil: wire.TimeToProto(o.Spec.RememberUntil)}); err == nil {
		t.Errorf("a stop of an attempt that cannot be answers %v", r)
	}
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
}
