package capsule_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

var noon = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)

// jobID is a UUIDv7 of noon that ends in n.
func jobID(n byte) job.ID {
	return job.NewID(noon, [10]byte{0x0b, 0x2a, 0x1c, 0x1d, 1, 2, 3, 4, 5, n})
}

// uptime is a small valid payload.
func uptime() capsule.Payload {
	return capsule.Payload{
		JobID: jobID(1), Account: "ops", Class: "standard", Selector: "room=bj01",
		Root: capsule.Hash{7}, Count: 3, NotBefore: noon, NotAfter: noon.Add(time.Hour),
		Command: capsule.Command{
			Kind: capsule.Argv, Argv: []string{"uptime", "-p"},
			TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1,
		},
	}
}

// backup is a valid payload with every field of a script set.
func backup() capsule.Payload {
	p := uptime()
	p.JobID, p.Parent, p.Token = jobID(2), jobID(1), []byte("token")
	p.RerunUntil = noon.Add(2 * time.Hour)
	p.Command = capsule.Command{
		Kind: capsule.Script, Interpreter: []string{"sh", "-e"}, Script: []byte("exec tar c /srv\n"),
		Env: []string{"LANG=C", "EMPTY="}, Cwd: "/srv", Stdin: []byte{0, 255}, RunAs: "backup",
		Limits:  capsule.Limits{OutputBytes: 1 << 20, MemoryBytes: 1 << 30, CPUMillis: 500, PIDs: 64, OpenFiles: 1024},
		Timeout: time.Minute, TimeoutAction: capsule.TimeoutReport, Grace: 10 * time.Second,
		Recovery: capsule.RecoveryRerun, MaxAttempts: 3,
	}
	return p
}

// careful is a valid payload with every setting of version 2.
func careful() capsule.Payload {
	p := uptime()
	umask := uint32(0o027)
	p.Command.Umask, p.Command.OOMScoreAdj, p.Command.LeaveDescendants = &umask, 500, true
	p.Command.Rlimits = []task.Rlimit{{Resource: task.ResourceCore}, {Resource: task.ResourceStack, Value: task.Unlimited}}
	return p
}

// ping is a valid payload of kind ping.
func ping() capsule.Payload {
	p := uptime()
	p.Command.Kind, p.Command.Argv = capsule.Ping, nil
	return p
}

func TestAPayloadComesBackAsItWas(t *testing.T) {
	for _, p := range []capsule.Payload{ping(), uptime(), backup(), careful()} {
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := capsule.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, want %+v", got, p)
		}
	}
}

func TestAPayloadOfTheGreatestSizesComesBack(t *testing.T) {
	p := backup()
	p.Selector = strings.Repeat("s", capsule.MaxSelector)
	p.Command.Script = bytes.Repeat([]byte{1}, capsule.MaxScript)
	p.Command.Interpreter = []string{strings.Repeat("i", capsule.MaxArguments-2-len("A=b")-1), ""}
	p.Command.Env = []string{"A=b"}
	p.Command.Limits.OutputBytes = capsule.MaxOutputLimit
	p.Count = capsule.MaxTargets
	p.NotAfter = time.Unix(0, 1<<63-1).UTC()
	p.JobID = job.NewID(p.NotAfter, [10]byte{1})
	if b, err := p.Marshal(); err == nil {
		if _, err = capsule.Parse(b); err != nil {
			t.Error(err)
		}
	} else {
		t.Error(err)
	}
}

func TestAPayloadWithOneFaultSaysWhichOne(t *testing.T) {
	big := func(n int) []byte { return make([]byte, n) }
	for _, tc := range []struct {
		say   string
		spoil func(*capsule.Payload)
	}{
		{"job id is not a UUIDv7", func(p *capsule.Payload) { p.JobID[6] = 0x4a }},
		{"job id is not a UUIDv7", func(p *capsule.Payload) { p.JobID[8] = 0x1c }},
		{"parent is not", func(p *capsule.Payload) { p.Parent = p.JobID }},
		{"parent is not", func(p *capsule.Payload) { p.Parent = job.ID{1} }},
		{"account has 65 bytes", func(p *capsule.Payload) { p.Account = strings.Repeat("a", 65) }},
		{"account \"A\" has other", func(p *capsule.Payload) { p.Account = "A" }},
		{"class has 0 bytes", func(p *capsule.Payload) { p.Class = "" }},
		{"class has 33 bytes", func(p *capsule.Payload) { p.Class = strings.Repeat("c", 33) }},
		{"class \"a/b\" has other", func(p *capsule.Payload) { p.Class = "a/b" }},
		{"length of selector is 4097", func(p *capsule.Payload) { p.Selector = strings.Repeat("a", 4097) }},
		{"selector is not UTF-8", func(p *capsule.Payload) { p.Selector = "\xff" }},
		{"no targets", func(p *capsule.Payload) { p.Count = 0 }},
		{"number of targets is 500001", func(p *capsule.Payload) { p.Count = 500_001 }},
		{"length of token", func(p *capsule.Payload) { p.Token = big(capsule.MaxToken + 1) }},
		{"not-before is not between", func(p *capsule.Payload) { p.NotBefore = time.Time{} }},
		{"not-after is not between", func(p *capsule.Payload) { p.NotAfter = noon.AddDate(400, 0, 0) }},
		{"more than 31 days after the job id was made (2026-10-05T12:00:00Z)", func(p *capsule.Payload) { p.NotAfter = noon.Add(31*24*time.Hour + 1) }},
		{"the last start is at 2026-11-05T12:00:01Z", func(p *capsule.Payload) { p.RerunUntil = noon.Add(31*24*time.Hour + time.Second) }},
		{"more than 31 days", func(p *capsule.Payload) { p.NotAfter = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"not-after is not after", func(p *capsule.Payload) { p.NotAfter = p.NotBefore }},
		{"rerun-until must be set", func(p *capsule.Payload) { p.RerunUntil = time.Time{} }},
		{"recovery is not rerun", func(p *capsule.Payload) { p.Command.Recovery, p.Command.MaxAttempts = capsule.RecoveryReport, 1 }},
		{"max-attempts must be 1", func(p *capsule.Payload) { p.RerunUntil, p.Command.Recovery = time.Time{}, capsule.RecoveryReport }},
		{"max-attempts must be 2", func(p *capsule.Payload) { p.Command.MaxAttempts = 1 }},
		{"max-attempts must be 2", func(p *capsule.Payload) { p.Command.MaxAttempts = 101 }},
		{"recovery 0 is neither", func(p *capsule.Payload) { p.Command.Recovery = 0 }},
		{"timeout action 0", func(p *capsule.Payload) { p.Command.TimeoutAction = 0 }},
		{"timeout is -1ns", func(p *capsule.Payload) { p.Command.Timeout = -1 }},
		{"timeout is 720h0m0.000000001s", func(p *capsule.Payload) { p.Command.Timeout = capsule.MaxTimeout + 1 }},
		{"grace is", func(p *capsule.Payload) { p.Command.Grace = 2 * time.Hour }},
		{"command kind 0", func(p *capsule.Payload) { p.Command.Kind = 0 }},
		{"a ping has no argv", func(p *capsule.Payload) { p.Command.Kind = capsule.Ping }},
		{"argv names no program", func(p *capsule.Payload) { p.Command.Kind = capsule.Argv }},
		{"has no script and no interpreter", func(p *capsule.Payload) { p.Command.Kind = capsule.Argv }},
		{"interpreter names no program", func(p *capsule.Payload) { p.Command.Interpreter = nil }},
		{"script is empty", func(p *capsule.Payload) { p.Command.Script = nil }},
		{"has no argv", func(p *capsule.Payload) { p.Command.Argv = []string{"a"} }},
		{"length of script is 1048577", func(p *capsule.Payload) { p.Command.Script = big(1<<20 + 1) }},
		{"length of stdin is 1048577", func(p *capsule.Payload) { p.Command.Stdin = big(1<<20 + 1) }},
		{"with script and stdin", func(p *capsule.Payload) { p.Command.Script, p.Command.Stdin = big(1<<20), big(1<<20) }},
		{"length of argv, interpreter and env is", func(p *capsule.Payload) { p.Command.Interpreter[1] = strings.Repeat("a", 128<<10) }},
		{"interpreter is not UTF-8 without NUL", func(p *capsule.Payload) { p.Command.Interpreter[1] = "a\x00b" }},
		{"env has an entry that is not NAME=value", func(p *capsule.Payload) { p.Command.Env[0] = "=secret" }},
		{"env has an entry that is not NAME=value", func(p *capsule.Payload) { p.Command.Env[0] = "secret" }},
		{"env sets EMPTY twice", func(p *capsule.Payload) { p.Command.Env[0] = "EMPTY=secret" }},
		{"cwd \"srv\" is not absolute", func(p *capsule.Payload) { p.Command.Cwd = "srv" }},
		{"length of cwd", func(p *capsule.Payload) { p.Command.Cwd = strings.Repeat("/", 4097) }},
		{"run-as is not UTF-8", func(p *capsule.Payload) { p.Command.RunAs = "\xfe" }},
		{"length of run-as", func(p *capsule.Payload) { p.Command.RunAs = strings.Repeat("r", 65) }},
		{"output limit is", func(p *capsule.Payload) { p.Command.Limits.OutputBytes = 1<<24 + 1 }},
		{"umask is 01000, at most 0777", func(p *capsule.Payload) { p.Command.Umask = new(uint32); *p.Command.Umask = 0o1000 }},
		{"oom-score-adj is 1001, at most 1000", func(p *capsule.Payload) { p.Command.OOMScoreAdj = 1001 }},
		{"an rlimit is of a resource that is not known here", func(p *capsule.Payload) { p.Command.Rlimits = []task.Rlimit{{Resource: 9}} }},
		{"rlimit core is given twice", func(p *capsule.Payload) {
			p.Command.Rlimits = []task.Rlimit{{Resource: task.ResourceCore}, {Resource: task.ResourceCore, Value: 1}}
		}},
		{"a ping has no umask, rlimits", func(p *capsule.Payload) { *p = ping(); p.Command.LeaveDescendants = true }},
	} {
		p := backup()
		tc.spoil(&p)
		_, err := p.Marshal()
		if !errors.Is(err, capsule.ErrMalformed) || !strings.Contains(fmt.Sprint(err), tc.say) {
			t.Errorf("want %q, got: %v", tc.say, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("shows a value of the environment: %v", err)
		}
	}
}

func TestAJobMayStartUntilADayAfterTheLongestLife(t *testing.T) {
	p := backup()
	p.NotAfter, p.RerunUntil = noon.Add(capsule.MaxLife), noon.Add(capsule.MaxLife)
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := capsule.Parse(b); err != nil {
		t.Error(err)
	}
}

func TestAPayloadWithManyFaultsSaysAllOfThem(t *testing.T) {
	err := capsule.Payload{}.Validate()
	for _, say := range []string{"job id", "class", "no targets", "not-before", "kind", "timeout action", "recovery"} {
		if !strings.Contains(fmt.Sprint(err), say) {
			t.Errorf("does not say %q: %v", say, err)
		}
	}
}

func TestOtherBytesThanAPayloadAreRefused(t *testing.T) {
	whole, err := backup().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := capsule.Parse(whole[:n]); !errors.Is(err, capsule.ErrMalformed) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	more := append(bytes.Clone(whole), 0)
	if _, err := capsule.Parse(more); err == nil || !strings.Contains(err.Error(), "1 bytes follow the end") {
		t.Errorf("a byte more: %v", err)
	}
	whole[0] = 3
	if _, err := capsule.Parse(whole); err == nil || !strings.Contains(err.Error(), "version 3 is not known here, only 1 and 2") {
		t.Errorf("another version: %v", err)
	}
	if _, err := capsule.Parse(make([]byte, capsule.MaxPayload+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too long: %v", err)
	}
}

func TestAParsedPayloadSharesNoMemoryWithItsBytes(t *testing.T) {
	b, err := backup().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	p, err := capsule.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(p, backup()) {
		t.Error("the payload changed with the bytes")
	}
}

func TestStartByAndEFollowTheSignedTimes(t *testing.T) {
	p := backup()
	if !p.StartBy(1).Equal(p.NotAfter) || !p.StartBy(2).Equal(p.RerunUntil) || !p.E().Equal(p.RerunUntil) {
		t.Error("rerun: start-by or E is wrong")
	}
	p.RerunUntil = noon.Add(time.Minute)
	if !p.E().Equal(p.NotAfter) || !p.StartBy(2).Equal(p.RerunUntil) {
		t.Error("rerun-until before not-after: start-by or E is wrong")
	}
	q := uptime()
	if !q.StartBy(1).Equal(q.NotAfter) || !q.StartBy(2).Equal(q.NotAfter) || !q.E().Equal(q.NotAfter) {
		t.Error("report: start-by or E is wrong")
	}
}

func TestEveryErrorHasAnOutcome(t *testing.T) {
	for err, want := range map[error]task.Reason{
		capsule.ErrMalformed: task.Malformed, capsule.ErrSignature: task.BadSignature, capsule.ErrTooEarly: task.BadTime,
		capsule.ErrNotTarget: task.NotTarget, capsule.ErrProof: task.NotTarget,
	} {
		if state, reason := capsule.Outcome(fmt.Errorf("cannot take it: %w", err)); state != task.Refused || reason != want {
			t.Errorf("%v: %v %v", err, state, reason)
		}
	}
	if state, reason := capsule.Outcome(capsule.ErrTooLate); state != task.Expired || reason != task.StartByPassed {
		t.Errorf("too late: %v %v", state, reason)
	}
	for _, err := range []error{nil, errors.New("other")} {
		if state, reason := capsule.Outcome(err); state != task.Unspecified || reason != task.NoReason {
			t.Errorf("%v: %v %v", err, state, reason)
		}
	}
}

func TestEveryValidPayloadComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPayload(t)
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := capsule.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Fatalf("got %+v, want %+v", got, p)
		}
	})
}

func TestAnyChangedByteIsRefusedOrSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := anyPayload(t).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		checkCanonical(t, b)
	})
}

func FuzzParse(f *testing.F) {
	for _, p := range []capsule.Payload{ping(), uptime(), backup(), careful()} {
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkCanonical(t, b) })
}

// checkCanonical: what Parse accepts has no other encoding.
func checkCanonical(t interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}, b []byte,
) {
	p, err := capsule.Parse(b)
	if err != nil {
		if !errors.Is(err, capsule.ErrMalformed) {
			t.Fatal(err)
		}
		return
	}
	again, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%x was accepted, and is %x", b, again)
	}
}
