package endprocess

import (
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func drawTexts(t *rapid.T, name string, least int) []string {
	return rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("a =\n\té/"))), least, 5).Draw(t, name)
}

func drawPlan(t *rapid.T) plan {
	p := plan{
		argv: drawTexts(t, "argv", 1), env: drawTexts(t, "env", 0), dir: rapid.SampledFrom([]string{"/", "", "/a b"}).Draw(t, "dir"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "limits") {
		p.limits = append(p.limits, kernelLimit{rapid.IntRange(0, 15).Draw(t, "which"), rapid.Uint64().Draw(t, "value")})
	}
	if rapid.Bool().Draw(t, "another account") {
		p.who = &syscall.Credential{
			Uid: rapid.Uint32().Draw(t, "uid"), Gid: rapid.Uint32().Draw(t, "gid"),
			Groups: rapid.SliceOfN(rapid.Uint32(), 1, 4).Draw(t, "groups"),
		}
	}
	return p
}

func TestAStageReadsThePlanAsItWasMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		if got, ok := decodePlan(p.encode()); !ok || !reflect.DeepEqual(got, p) {
			t.Fatalf("%+v is read as %+v, %v", p, got, ok)
		}
	})
}

func TestAPieceOfAPlanIsNone(t *testing.T) {
	whole := plan{argv: []string{"/bin/true"}, env: []string{"A=1"}, dir: "/", limits: []kernelLimit{{unix.RLIMIT_CPU, 9}}}.encode()
	for n := range whole {
		if p, ok := decodePlan(whole[:n]); ok {
			t.Errorf("%q is read as %+v", whole[:n], p)
		}
	}
	for _, text := range []string{"", "\x00", "0\x00" + "0\x00/\x00" + "0\x00", "9999999999\x00", "-1\x00"} {
		if p, ok := decodePlan([]byte(text)); ok {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

func FuzzDecodePlan(f *testing.F) {
	f.Add(plan{argv: []string{"a"}, who: &syscall.Credential{Groups: []uint32{1}}}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok := decodePlan(data)
		if !ok {
			return
		}
		if again, ok := decodePlan(p.encode()); !ok || !reflect.DeepEqual(again, p) {
			t.Errorf("%+v was read, and then %+v, %v", p, again, ok)
		}
	})
}

func TestWithoutACgroupTheKernelsLimitsHoldWhatTheyCan(t *testing.T) {
	all := spool.Limits{MemoryBytes: 1 << 30, PIDs: 9, OpenFiles: 64}
	lower := []task.Rlimit{{Resource: task.ResourceAS, Value: 1 << 20}, {Resource: task.ResourceNProc, Value: 100}}
	files := kernelLimit{unix.RLIMIT_NOFILE, 64}
	for name, c := range map[string]struct {
		run          spool.Run
		root, cgroup bool
		want         []kernelLimit
		unheld       string
	}{
		"nothing":              {},
		"in a cgroup":          {run: spool.Run{Limits: all}, cgroup: true, want: []kernelLimit{files}},
		"CPU in a cgroup":      {run: spool.Run{Limits: spool.Limits{CPUMillis: 5}}, cgroup: true},
		"root in a cgroup":     {run: spool.Run{Limits: spool.Limits{PIDs: 5}}, root: true, cgroup: true},
		"an ordinary account":  {run: spool.Run{Limits: all}, want: []kernelLimit{files, {unix.RLIMIT_AS, 1 << 30}, {unix.RLIMIT_NPROC, 9}}},
		"its own are lower":    {run: spool.Run{Limits: all, Rlimits: lower}, want: []kernelLimit{{unix.RLIMIT_AS, 1 << 20}, {unix.RLIMIT_NPROC, 9}, files}},
		"memory of root":       {run: spool.Run{Limits: spool.Limits{MemoryBytes: 7}}, root: true, want: []kernelLimit{{unix.RLIMIT_AS, 7}}},
		"processes of root":    {run: spool.Run{Limits: all}, root: true, unheld: "processes of root"},
		"CPU without a cgroup": {run: spool.Run{Limits: spool.Limits{CPUMillis: 5}}, unheld: "CPU"},
	} {
		tree := c.run.Limits
		if c.cgroup {
			tree = spool.Limits{}
		}
		got, bad := fallbackLimits(c.run, tree, c.root)
		if !reflect.DeepEqual(got, c.want) || (bad != nil) != (c.unheld != "") {
			t.Errorf("%s: %v, %+v, want %v", name, got, bad, c.want)
		}
		if bad != nil && (!strings.Contains(bad.text, c.unheld) || bad.reason != task.BadSpec) {
			t.Errorf("%s: %+v", name, bad)
		}
	}
}

func TestEveryResourceIsOneOfTheKernel(t *testing.T) {
	for _, r := range task.Resources() {
		limits := limitsOf(limited(r, 3))
		if len(limits) != 1 || limits[0].name() != r.String() {
			t.Errorf("%v becomes %+v", r, limits)
		}
	}
}
