package executor

import (
	"fmt"
	"path/filepath"
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

// beforeStart is the outcome of what was withdrawn in time.
func beforeStart() task.Exit { return task.Exit{Reason: task.BeforeStart} }

func withdrawal(id string, attempt uint32) *executorv1.DeclineRequest {
	return &executorv1.DeclineRequest{
		CommandId: id, Attempt: attempt, RememberUntil: wire.TimeToProto(time.Now().Add(time.Hour)), Context: []byte("withdrawn"),
		Status: wire.StatusToProto(task.Report{Attempt: attempt, State: task.Canceled, Exit: beforeStart()}),
	}
}

// withdraw asks that a command does not start, and answers what it is then.
func (h *host) withdraw(id string, attempt uint32) typesv1.TaskState {
	h.Helper()
	r, err := h.api.Decline(h.ctx(), withdrawal(id, attempt))
	if err != nil {
		h.Fatalf("Decline(%s): %v", id, err)
	}
	return r.GetCommand().GetStatus().GetState()
}

func TestWhatIsWithdrawnBeforeItCameOrWhileItWaitsNeverRuns(t *testing.T) {
	h := newHost(t)
	h.slots = 1
	h.launch()
	first, open, _ := gated(t, "first")
	witness := filepath.Join(t.TempDir(), "witness")
	h.accept(first)
	h.running("first")
	h.accept(shell("second", "echo x >>"+witness))
	for _, id := range []string{"second", "unknown"} {
		if s := h.withdraw(id, 1); s != typesv1.TaskState_TASK_STATE_CANCELED {
			t.Errorf("withdrawn, %s is %s", id, s)
		}
	}
	h.kill()
	h.launch() // it is on the disk
	h.start(shell("unknown", "echo x >>"+witness))
	open()
	h.ended("first")
	h.becomes("second", task.Canceled, beforeStart())
	h.becomes("unknown", task.Canceled, beforeStart())
	h.accept(shell("third", "true")) // passes the slot after them
	h.becomes("third", task.Succeeded, task.Exit{})
	if n := lines(t, witness); n != 0 {
		t.Errorf("%d of them were started", n)
	}
}

func TestWhatHasStartedGoesOnWhenItIsWithdrawn(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	if s := h.withdraw("a", 1); s != typesv1.TaskState_TASK_STATE_RUNNING {
		t.Errorf("withdrawn, it is %s", s)
	}
	h.kill()
	h.launch() // and nothing on the disk says otherwise
	if s := h.withdraw("a", 1); s != typesv1.TaskState_TASK_STATE_RUNNING {
		t.Errorf("withdrawn again after a restart, it is %s", s)
	}
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
}

// A stop after it still ends what runs: the greater wish is not taken for the other.
func TestAStopAfterAWithdrawalEndsWhatRuns(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "exec /bin/sleep 300"))
	h.running("a")
	h.withdraw("a", 1)
	h.stop("a", 1)
	if c := h.ended("a"); c.Report.State != task.Canceled || c.Report.Exit.Reason != task.Killed {
		t.Errorf("it became %v", c.Report)
	}
}

// The record of the attempt decides the race: either it was CANCELED and nothing
// ran, or it ran to its own end.
func TestAWithdrawalThatRacesWithTheStartIsDecidedByTheRecord(t *testing.T) {
	h := boot(t)
	dir := t.TempDir()
	ran, withdrawn := 0, 0
	for n := 0; n < 40 || ran == 0 || withdrawn == 0; n++ {
		if n == 400 {
			t.Fatalf("of %d, %d were withdrawn and %d had started: the two did not race", n, withdrawn, ran)
		}
		id := fmt.Sprintf("c%d", n)
		witness := filepath.Join(dir, id)
		h.accept(shell(id, "echo x >>"+witness+"; exit 7"))
		for range n % 80 { // some withdrawals come before the end-process is up, and some after
			if _, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		h.withdraw(id, 1)
		switch c := h.ended(id); {
		case c.Report.State == task.Canceled && c.Report.Exit == beforeStart() && lines(t, witness) == 0:
			withdrawn++
		case c.Report.State == task.Failed && c.Report.Exit.Code == 7 && lines(t, witness) == 1:
			ran++
		default:
			t.Fatalf("%s became %v %+v, and was started %d times", id, c.Report.State, c.Report.Exit, lines(t, witness))
		}
	}
}

func TestAWithdrawalAfterALossForbidsTheNextAttempt(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	beganBeforeReboot(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.Rebooted})
	if s := h.withdraw("a", 2); s != typesv1.TaskState_TASK_STATE_CANCELED {
		t.Errorf("the second attempt, withdrawn, is %s", s)
	}
	o.Attempt = 2
	if s := h.start(o).GetCommand().GetStatus(); s.GetState() != typesv1.TaskState_TASK_STATE_CANCELED || lines(t, witness) != 0 {
		t.Errorf("the late start answers %v", s)
	}
}

func TestNothingIsDeclinedWithThatItWasKilled(t *testing.T) {
	h := boot(t)
	r := withdrawal("a", 1)
	r.Status = wire.StatusToProto(task.Report{Attempt: 1, State: task.Canceled, Exit: task.Exit{Reason: task.Killed}})
	if _, err := h.api.Decline(h.ctx(), r); status.Code(err) != codes.InvalidArgument {
		t.Errorf("Decline answers %v", err)
	}
	if _, err := spool.OpenCommand(filepath.Join(h.state, "commands", "a")); err == nil {
		t.Error("something was written")
	}
}
