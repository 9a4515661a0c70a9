package wire

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// bounded is an order that uses every setting.
func bounded() StartOrder {
	umask := uint32(0o77)
	return StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: "c", RememberUntil: time.Unix(2, 0).UTC(),
		Run: spool.Run{
			Argv: []string{"true"}, Keep: 1, Grace: time.Second,
			Limits: spool.Limits{MemoryBytes: 1 << 40, CPUMillis: 1500, PIDs: 7, OpenFiles: 64},
			Umask:  &umask, Rlimits: []task.Rlimit{{Resource: task.ResourceCore}, {Resource: task.ResourceStack, Value: task.Unlimited}},
			OOMScoreAdj: 1000, LeaveDescendants: true,
		},
	}}
}

func drawOrder(t *rapid.T) StartOrder {
	o := bounded()
	run := &o.Spec.Run
	if rapid.Bool().Draw(t, "no umask") {
		run.Umask = nil
	} else {
		umask := rapid.Uint32Range(0, task.MaxUmask).Draw(t, "umask")
		run.Umask = &umask
	}
	run.Limits = spool.Limits{
		MemoryBytes: rapid.Uint64().Draw(t, "memory"), CPUMillis: rapid.Uint32().Draw(t, "cpu"),
		PIDs: rapid.Uint32().Draw(t, "pids"), OpenFiles: rapid.Uint32().Draw(t, "files"),
	}
	run.Rlimits = nil
	for _, r := range task.Resources() {
		if rapid.Bool().Draw(t, r.String()) {
			run.Rlimits = append(run.Rlimits, task.Rlimit{Resource: r, Value: rapid.Uint64().Draw(t, "value")})
		}
	}
	run.OOMScoreAdj = rapid.Uint16Range(0, task.MaxOOMScoreAdj).Draw(t, "oom")
	run.LeaveDescendants = rapid.Bool().Draw(t, "leave")
	return o
}

func TestSettingsOfAnOrderAreReadAsTheyWereSent(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		o := drawOrder(t)
		got, err := StartFromProto(sent(t, StartToProto(o)))
		comesBack(t, got, err, o)
	})
}

func TestAnExecutorOfTheVersionBeforeRunsNothingWithoutItsLimits(t *testing.T) {
	for name, set := range map[string]func(*spool.Run){
		"nothing":   func(*spool.Run) {},
		"memory":    func(r *spool.Run) { r.Limits.MemoryBytes = 1 },
		"cpu":       func(r *spool.Run) { r.Limits.CPUMillis = 1 },
		"pids":      func(r *spool.Run) { r.Limits.PIDs = 1 },
		"files":     func(r *spool.Run) { r.Limits.OpenFiles = 1 },
		"umask":     func(r *spool.Run) { r.Umask = new(uint32) },
		"an rlimit": func(r *spool.Run) { r.Rlimits = []task.Rlimit{{Resource: task.ResourceCore}} },
		"oom score": func(r *spool.Run) { r.OOMScoreAdj = 1 },
		"leave":     func(r *spool.Run) { r.LeaveDescendants = true },
	} {
		o := bounded()
		o.Spec.Run = spool.Run{Argv: []string{"true"}, Keep: 1, Grace: time.Second}
		set(&o.Spec.Run)
		request := StartToProto(o)
		if old := request.GetSpec() != nil; old != (name == "nothing") || old == (request.GetFullSpec() != nil) {
			t.Errorf("%s: an older executor finds something to run: %v", name, old)
		}
	}
}

func TestAnOrderThatIsNotUnderstoodWhollyIsRefused(t *testing.T) {
	news := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	for want, spoil := range map[string]func(*executorv1.StartRequest){
		"upgrade it":               func(r *executorv1.StartRequest) { r.GetFullSpec().ProtoReflect().SetUnknown(news) },
		"this executor does not k": func(r *executorv1.StartRequest) { r.GetFullSpec().GetRlimits()[0].ProtoReflect().SetUnknown(news) },
		"both spec and full_spec":  func(r *executorv1.StartRequest) { r.Spec = &executorv1.Spec{Argv: []string{"true"}} },
		"umask is over 0777":       func(r *executorv1.StartRequest) { *r.FullSpec.Umask = 0o1000 },
		"oom_score_adj is over":    func(r *executorv1.StartRequest) { r.FullSpec.OomScoreAdj = 1<<16 + 5 },
		"a resource that is not":   func(r *executorv1.StartRequest) { r.FullSpec.Rlimits[0].Resource = 258 },
		"resource that is not kno": func(r *executorv1.StartRequest) { r.FullSpec.Rlimits[0].Resource = -3 },
		"stack is given twice": func(r *executorv1.StartRequest) {
			r.FullSpec.Rlimits[0].Resource = executorv1.Resource_RESOURCE_STACK
		},
	} {
		request := StartToProto(bounded())
		spoil(request)
		if _, err := StartFromProto(request); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
