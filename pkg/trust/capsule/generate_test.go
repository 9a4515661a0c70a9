package capsule_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// anyPayload draws a valid payload; empty slices are nil, as Parse gives them.
func anyPayload(t *rapid.T) capsule.Payload {
	p := capsule.Payload{
		Account:   rapid.StringMatching(`[a-z0-9._-]{0,64}`).Draw(t, "account"),
		Class:     rapid.StringMatching(`[a-z0-9._-]{1,32}`).Draw(t, "class"),
		Selector:  anyText(t, "selector"),
		Root:      capsule.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root")),
		Count:     rapid.Uint64Range(1, capsule.MaxTargets).Draw(t, "count"),
		NotBefore: time.Unix(0, rapid.Int64Range(1, 1<<62).Draw(t, "not-before")).UTC(),
		Token:     anyBytes(t, "token"),
	}
	p.NotAfter = anyTime(t, "not-after", p.NotBefore.UnixNano()+1)
	p.Command = anyCommand(t)
	if p.Command.Recovery == capsule.RecoveryRerun {
		p.RerunUntil = anyTime(t, "rerun-until", p.NotBefore.UnixNano()+1)
	}
	before := rapid.Int64Range(0, int64(capsule.MaxLife)).Draw(t, "life")
	p.JobID = job.NewID(time.Unix(0, max(0, p.E().UnixNano()-before)).Add(time.Millisecond), [10]byte(rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "job id")))
	if rapid.Bool().Draw(t, "is a retry") {
		if parent := anyJobID(t, "parent"); parent != p.JobID {
			p.Parent = parent
		}
	}
	return p
}

func anyCommand(t *rapid.T) capsule.Command {
	c := capsule.Command{
		Kind:          capsule.Kind(rapid.IntRange(1, 3).Draw(t, "kind")),
		Timeout:       time.Duration(rapid.Int64Range(0, int64(capsule.MaxTimeout)).Draw(t, "timeout")),
		TimeoutAction: capsule.TimeoutAction(rapid.IntRange(1, 2).Draw(t, "timeout action")),
		Grace:         time.Duration(rapid.Int64Range(0, int64(capsule.MaxGrace)).Draw(t, "grace")),
		Recovery:      capsule.RecoveryReport,
		MaxAttempts:   1,
	}
	if c.Kind == capsule.Ping {
		return c
	}
	program := append([]string{"x" + anyText(t, "program")}, anyTexts(t, "arguments")...)
	if c.Kind == capsule.Argv {
		c.Argv = program
	} else {
		c.Interpreter, c.Script = program, append(anyBytes(t, "script"), '\n')
	}
	if rapid.Bool().Draw(t, "rerun") {
		c.Recovery, c.MaxAttempts = capsule.RecoveryRerun, rapid.Uint16Range(2, capsule.MaxAttempts).Draw(t, "max attempts")
	}
	for i, value := range anyTexts(t, "env") {
		c.Env = append(c.Env, fmt.Sprintf("V%d=%s", i, value))
	}
	if rapid.Bool().Draw(t, "has cwd") {
		c.Cwd = "/" + anyText(t, "cwd")
	}
	c.Stdin = anyBytes(t, "stdin")
	c.RunAs = rapid.StringMatching(`[a-zA-Z0-9 é]{0,20}`).Draw(t, "run-as")
	c.Limits = capsule.Limits{
		OutputBytes: rapid.Uint64Range(0, capsule.MaxOutputLimit).Draw(t, "output limit"),
		MemoryBytes: rapid.Uint64().Draw(t, "memory limit"),
		CPUMillis:   rapid.Uint32().Draw(t, "cpu limit"),
		PIDs:        rapid.Uint32().Draw(t, "pid limit"),
		OpenFiles:   rapid.Uint32().Draw(t, "file limit"),
	}
	anySettings(t, &c)
	return c
}

// anySettings draws what version 2 adds; half the commands have nothing of it.
func anySettings(t *rapid.T, c *capsule.Command) {
	if rapid.Bool().Draw(t, "is of version 1") {
		return
	}
	if rapid.Bool().Draw(t, "has umask") {
		umask := rapid.Uint32Range(0, task.MaxUmask).Draw(t, "umask")
		c.Umask = &umask
	}
	for _, r := range task.Resources() {
		if rapid.Bool().Draw(t, "has rlimit "+r.String()) {
			c.Rlimits = append(c.Rlimits, task.Rlimit{Resource: r, Value: rapid.Uint64().Draw(t, r.String())})
		}
	}
	c.OOMScoreAdj = rapid.Uint16Range(0, task.MaxOOMScoreAdj).Draw(t, "oom-score-adj")
	c.LeaveDescendants = rapid.Bool().Draw(t, "leave descendants")
}

func anyJobID(t *rapid.T, label string) job.ID {
	id := job.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

func anyTime(t *rapid.T, label string, after int64) time.Time {
	return time.Unix(0, rapid.Int64Range(after, 1<<63-1).Draw(t, label)).UTC()
}

func anyBytes(t *rapid.T, label string) []byte {
	if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, label); len(b) > 0 {
		return b
	}
	return nil
}

func anyText(t *rapid.T, label string) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("ab =,/\n\té漢😀")), 0, 20, -1).Draw(t, label)
}

func anyTexts(t *rapid.T, label string) (texts []string) {
	for range rapid.IntRange(0, 4).Draw(t, label) {
		texts = append(texts, anyText(t, label))
	}
	return texts
}
