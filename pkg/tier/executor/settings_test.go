package executor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestSettingsReachTheRecordAndTheCommand(t *testing.T) {
	h := boot(t)
	o := shell("a", "umask; ulimit -n; cat /proc/self/oom_score_adj; ulimit -c")
	o.Spec.Run.Umask, o.Spec.Run.OOMScoreAdj = new(uint32(0o77)), 250
	o.Spec.Run.Limits = spool.Limits{OpenFiles: 48}
	o.Spec.Run.Rlimits = []task.Rlimit{{Resource: task.ResourceCore}}
	h.accept(o)
	h.becomes("a", task.Succeeded, task.Exit{})
	if got := h.stdout("a"); got != "0077\n48\n250\n0\n" {
		t.Errorf("the command finds %q", got)
	}
	text, err := os.ReadFile(filepath.Join(h.state, "commands", "a", "spec"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"umask=\"077\"\n", "limit_open_files=\"48\"\n", "oom_score_adj=\"250\"\n", "rlimit=\"core 0\"\n"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("%q is not in the record:\n%s", line, text)
		}
	}
}

func TestAnExecutorDoesNotRunWhatItDoesNotKnowWholly(t *testing.T) {
	h := boot(t)
	o := shell("a", "true")
	o.Spec.Run.LeaveDescendants = true
	news := wire.StartToProto(o)
	news.GetFullSpec().ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1))
	if _, err := h.api.Start(h.ctx(), news); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("a field of a later version: %v", err)
	}
	// What an executor of the version before makes of it: it sees no full_spec.
	old := wire.StartToProto(o)
	old.FullSpec = nil
	if _, err := h.api.Start(h.ctx(), old); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an order without anything to run: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(h.state, "commands")); err != nil || len(entries) != 0 {
		t.Errorf("something was recorded: %v, %v", entries, err)
	}
}

// TestAStageWhoseEndProcessDiesBecomesTheCommandAllTheSame: a stage is the
// command from its fork on, whoever forked it.
func TestAStageWhoseEndProcessDiesBecomesTheCommandAllTheSame(t *testing.T) {
	h := boot(t)
	program, release := blocked(t, "/bin/sh")
	witness := filepath.Join(t.TempDir(), "witness")
	o := order("a", program, "-c", "ulimit -n >>"+witness+"; sleep 0.3; echo end >>"+witness)
	o.Spec.Run.Limits.OpenFiles = 50
	h.accept(o)
	fifo := filepath.Join(h.state, "commands", "a", "stderr.1.fifo")
	h.poll("the stage", func() bool { return exists(fifo) && len(h.children("a")) == 2 })
	h.killEndProcess("a")
	h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
	release()
	h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
	if got, err := os.ReadFile(witness); err != nil || string(got) != "50\nend\n" {
		t.Errorf("when it was lost its command had said %q, %v", got, err)
	}
	if left := h.children("a"); len(left) != 0 {
		t.Errorf("it is lost and %+v live", left)
	}
}

func TestATakeOverLeavesWhatMayStay(t *testing.T) {
	h := boot(t)
	gate := filepath.Join(t.TempDir(), "gate")
	o := shell("a", "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!; while [ ! -e "+gate+" ]; do /bin/sleep 0.02; done")
	o.Spec.Run.LeaveDescendants = true
	h.accept(o)
	h.running("a")
	h.killEndProcess("a")
	h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.ended("a")
	pid, err := strconv.Atoi(strings.TrimSpace(h.stdout("a")))
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(pid, 0) != nil {
		t.Errorf("process %d was to be left", pid)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
