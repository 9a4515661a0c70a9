package spool

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

func drawTime(t *rapid.T, name string) time.Time {
	if rapid.Bool().Draw(t, name+" is zero") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
}

func drawBytes(t *rapid.T, name string) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name))
}

func drawList(t *rapid.T, name string) []string {
	n := rapid.IntRange(0, 3).Draw(t, name)
	var list []string
	for range n {
		list = append(list, drawBytes(t, name))
	}
	return list
}

func drawGroup(t *rapid.T) cgroup.Group {
	if rapid.Bool().Draw(t, "group") {
		return cgroup.Group{}
	}
	g, err := cgroup.ParseGroup([]string{"unified=/" + drawBytes(t, "unified"), "freezer=/" + drawBytes(t, "freezer")})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func drawSpec(t *rapid.T) Spec {
	attachment := func(name string) Attachment {
		if rapid.Bool().Draw(t, name) {
			return Attachment{}
		}
		return Attach([]byte(drawBytes(t, name)))
	}
	return Spec{
		ID: "id", SlotGroup: drawBytes(t, "group"), Accepted: drawTime(t, "accepted"), StartBy: drawTime(t, "start by"),
		RememberUntil: drawTime(t, "remember"), Context: []byte(drawBytes(t, "context")),
		Run: Run{
			Argv: drawList(t, "argv"), Interpreter: drawList(t, "interpreter"), Env: drawList(t, "env"),
			Dir: drawBytes(t, "dir"), Account: drawBytes(t, "account"), Keep: rapid.Uint64().Draw(t, "keep"),
			Timeout: time.Duration(rapid.Int64().Draw(t, "timeout")), Grace: time.Duration(rapid.Int64().Draw(t, "grace")),
			ReportOnly: rapid.Bool().Draw(t, "report"), Script: attachment("script"), Stdin: attachment("stdin"),
			Limits: Limits{
				MemoryBytes: rapid.Uint64().Draw(t, "memory"), CPUMillis: rapid.Uint32().Draw(t, "cpu"),
				PIDs: rapid.Uint32().Draw(t, "pids"), OpenFiles: rapid.Uint32().Draw(t, "files"),
			},
			Umask: drawUmask(t), Rlimits: drawRlimits(t),
			OOMScoreAdj: rapid.Uint16().Draw(t, "oom"), LeaveDescendants: rapid.Bool().Draw(t, "leave"),
		},
	}
}

func drawUmask(t *rapid.T) *uint32 {
	if rapid.Bool().Draw(t, "no umask") {
		return nil
	}
	umask := rapid.Uint32().Draw(t, "umask")
	return &umask
}

func drawRlimits(t *rapid.T) (limits []task.Rlimit) {
	for _, r := range task.Resources() {
		if rapid.Bool().Draw(t, "limits "+r.String()) {
			limits = append(limits, task.Rlimit{Resource: r, Value: rapid.Uint64().Draw(t, r.String())})
		}
	}
	return limits
}

func drawOutcome(t *rapid.T) Outcome {
	ends := []Outcome{
		{State: task.Succeeded},
		{State: task.Failed, Exit: task.Exit{Code: 255}},
		{State: task.Failed, Exit: task.Exit{Reason: task.Signaled, Signal: 9}},
		{State: task.TimedOut, Exit: task.Exit{Reason: task.Timeout, Signal: 15}},
		{State: task.StartFailed, Exit: task.Exit{Reason: task.NoFile}},
		{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}},
	}
	o := rapid.SampledFrom(ends).Draw(t, "end")
	o.Started, o.Ended = drawTime(t, "started"), drawTime(t, "ended")
	o.Kept[0], o.Cut[1] = rapid.Uint64().Draw(t, "kept"), rapid.Uint64().Draw(t, "cut")
	o.Tail[1] = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, 1<<20)).Draw(t, "tail")
	o.Kept[1] = o.Tail[1] + rapid.Uint64Range(0, 1<<20).Draw(t, "head")
	o.Leftovers, o.Overdue, o.Message = rapid.IntRange(0, 9).Draw(t, "left"), rapid.Bool().Draw(t, "overdue"), drawBytes(t, "message")
	return o
}

func TestEveryRecordIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if got, err := decodeSpec(spec.encode()); err != nil || !reflect.DeepEqual(got, spec) {
			t.Fatalf("spec %+v was read as %+v, %v", spec, got, err)
		}
		outcome := drawOutcome(t)
		if got, err := decodeOutcome(outcome.encode()); err != nil || got != outcome {
			t.Fatalf("outcome %+v was read as %+v, %v", outcome, got, err)
		}
		id := proc.Identity{Boot: drawBytes(t, "boot"), PID: rapid.IntRange(1, 1<<22).Draw(t, "pid"), Start: rapid.Uint64().Draw(t, "ticks")}
		for _, a := range []Attempt{{Supervisor: id, Mark: "mark", Group: drawGroup(t), At: drawTime(t, "at")}, {At: drawTime(t, "at"), Decided: outcome}} {
			if got, err := decodeAttempt(a.encode()); err != nil || got != a {
				t.Fatalf("attempt %+v was read as %+v, %v", a, got, err)
			}
		}
		run := Started{Leader: id, At: drawTime(t, "at")}
		if got, err := decodeStarted(run.encode()); err != nil || got != run {
			t.Fatalf("run %+v was read as %+v, %v", run, got, err)
		}
		tomb := Tomb{ID: "id", RememberUntil: drawTime(t, "E"), Attempt: 2, Outcome: outcome, Context: []byte(drawBytes(t, "ctx"))}
		if got, err := decodeTomb("id", tomb.encode()); err != nil || !reflect.DeepEqual(got, tomb) {
			t.Fatalf("tomb %+v was read as %+v, %v", tomb, got, err)
		}
	})
}

func TestARecordThatWasChangedAnywhereIsNotBelieved(t *testing.T) {
	whole := Attempt{Supervisor: proc.Identity{Boot: "b", PID: 12, Start: 3}, Mark: "m", At: time.Unix(1, 0)}.encode()
	for i := range whole {
		for _, flip := range []byte{1, 0x20, 0x80} {
			changed := append([]byte(nil), whole...)
			changed[i] ^= flip
			if _, err := decodeAttempt(changed); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d changed by %#x: %v\n%s", i, flip, err, changed)
			}
		}
		if _, err := decodeAttempt(whole[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %v", i, err)
		}
	}
	if _, err := decodeAttempt(append(whole, whole...)); !errors.Is(err, ErrDamaged) {
		t.Errorf("twice: %v", err)
	}
}

func TestARecordOfAnotherKindOrWithUnknownLinesIsNotBelieved(t *testing.T) {
	for name, data := range map[string][]byte{
		"another kind":       newRecord("exit").when("at", time.Unix(1, 0)).text("by", "executor").encode(),
		"an unknown line":    newRecord("attempt").text("by", "end-process").identity(proc.Identity{PID: 1}).text("mark", "m").text("new", "x").encode(),
		"a line twice":       newRecord("attempt").text("by", "end-process").identity(proc.Identity{PID: 1}).text("mark", "m").text("mark", "m").encode(),
		"an unknown author":  newRecord("attempt").text("by", "somebody").encode(),
		"an impossible end":  newRecord("attempt").text("by", "executor").outcome(Outcome{State: task.Running}).encode(),
		"nothing":            nil,
		"a sum alone":        []byte("sum=\"0\"\n"),
		"another spelling":   []byte(strings.Replace(string(newRecord("attempt").encode()), "attempt", "\\x61ttempt", 1)),
		"an unsayable end":   newRecord("attempt").text("by", "executor").outcome(Outcome{State: task.Succeeded, Exit: task.Exit{Code: 1}}).encode(),
		"a reason of others": newRecord("attempt").text("by", "executor").outcome(Outcome{State: task.Failed, Exit: task.Exit{Reason: task.NoFile}}).encode(),
	} {
		if _, err := decodeAttempt(data); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecordCanBeReadByAPerson(t *testing.T) {
	o := Outcome{State: task.Failed, Exit: task.Exit{Reason: task.Signaled, Signal: 9}, Ended: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	want := `record="exit/1"
state="FAILED"
reason="signaled"
exit_code="0"
signal="9"
ended="2026-01-02T03:04:05Z"
stdout_kept="0"
stdout_cut="0"
stderr_kept="0"
stderr_cut="0"
leftovers="0"
sum="`
	if got := string(o.encode()); !strings.HasPrefix(got, want) {
		t.Errorf("it reads:\n%s", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Attempt{Supervisor: proc.Identity{PID: 1}, Mark: "m"}.encode())
	f.Add([]byte("a=\"\\xff\"\nsum=\"0\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeAttempt(data)
		if err == nil && string(a.encode()) != string(data) {
			t.Errorf("%q was read, and is written as %q", data, a.encode())
		}
	})
}
