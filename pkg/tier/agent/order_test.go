package agent

import (
	"reflect"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// TestNothingOfWhatIsSignedIsLeftOut sets every field of a signed command to
// something of its own and finds each in what the executor is asked for.
func TestNothingOfWhatIsSignedIsLeftOut(t *testing.T) {
	umask := uint32(0o27)
	command := capsule.Command{
		Kind: capsule.Argv, Argv: []string{"a"}, Interpreter: []string{"i"}, Script: []byte("s"),
		Env: []string{"A=1"}, Cwd: "/srv", Stdin: []byte("in"), RunAs: "backup",
		Limits:  capsule.Limits{OutputBytes: 1, MemoryBytes: 2, CPUMillis: 3, PIDs: 4, OpenFiles: 5},
		Timeout: 6, TimeoutAction: capsule.TimeoutReport, Grace: 7, Recovery: capsule.RecoveryReport, MaxAttempts: 1,
		Umask: &umask, Rlimits: []task.Rlimit{{Resource: task.ResourceCPU, Value: 9}}, OOMScoreAdj: 10, LeaveDescendants: true,
	}
	for v, i := reflect.ValueOf(command), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("this test does not set %s", v.Type().Field(i).Name)
		}
	}
	at := time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	o := orderOf(capsule.Payload{Class: "standard", NotAfter: at, Command: command}, 1, ticket{})
	want := spool.Run{
		Argv: []string{"a"}, Interpreter: []string{"i"}, Env: []string{"A=1"}, Dir: "/srv", Account: "backup",
		Keep: 1, Timeout: 6, Grace: 7, ReportOnly: true,
		Limits: spool.Limits{MemoryBytes: 2, CPUMillis: 3, PIDs: 4, OpenFiles: 5},
		Umask:  &umask, Rlimits: []task.Rlimit{{Resource: task.ResourceCPU, Value: 9}}, OOMScoreAdj: 10, LeaveDescendants: true,
	}
	if !reflect.DeepEqual(o.Spec.Run, want) || string(o.Script) != "s" || string(o.Stdin) != "in" {
		t.Errorf("it asks for %+v\nwant %+v", o, want)
	}
	if !o.Spec.StartBy.Equal(at) || !o.Spec.RememberUntil.Equal(at) || o.Spec.SlotGroup != "standard" {
		t.Errorf("it asks for %+v", o.Spec)
	}
}
