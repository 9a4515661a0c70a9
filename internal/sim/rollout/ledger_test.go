package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a real machine and a ledger that is shown what it writes, or what a
// test makes of that.
type bench struct {
	t       *testing.T
	machine *job.Machine
	targets *job.Targets
	ledger  *Ledger
	now     time.Time
	broken  []string
}

func newBench(t *testing.T, r job.Rollout) *bench {
	t.Helper()
	var b job.TargetsBuilder
	for room := range 2 {
		for n := range 3 {
			if err := b.Add(fleet.Room(fmt.Sprintf("r%d", room)), job.Target{Host: fleet.HostID(fmt.Sprintf("h%d", room*3+n)), Incarnation: fleet.Incarnation{1}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	targets, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	r.Deadline = noon.Add(time.Hour)
	spec := job.Spec{ID: job.NewID(noon, [10]byte{1}), Pool: "p", Class: "c", Account: "a", Created: noon, StartBy: noon.Add(30 * time.Minute), Rollout: r}
	w := &bench{t: t, machine: job.New(spec, targets), targets: targets, ledger: New(&spec, targets), now: noon}
	for o := range uint32(targets.Len()) {
		w.step(job.Reached{Host: targets.At(o).Host, Incarnation: targets.At(o).Incarnation})
	}
	return w
}

func (b *bench) report(promise, format string, args ...any) {
	b.broken = append(b.broken, promise+": "+fmt.Sprintf(format, args...))
}

func (b *bench) step(ev job.Event) {
	b.t.Helper()
	before := b.machine.Row()
	if err := b.machine.Step(b.now, ev); err != nil {
		b.t.Fatal(err)
	}
	if r, ok := ev.(job.Resume); ok {
		b.ledger.Made(r, before, b.excused)
	}
}

func (b *bench) excused(uint32, time.Duration) bool { return false }

// write shows the ledger what the machine owes, as a test has changed it.
func (b *bench) write(change func(*job.Persist)) {
	p := b.machine.Ready().Persist
	if p.Row == nil {
		return
	}
	if change != nil {
		change(&p)
	}
	b.ledger.Look(Write{Persist: &p, Clock: b.now, Excused: b.excused}, b.report)
}

func (b *bench) ends(o uint32, s task.State) {
	b.step(job.Reported{Host: b.targets.At(o).Host, Incarnation: b.targets.At(o).Incarnation, Report: task.Report{Attempt: 1, State: s}})
}

func (b *bench) idle() {
	b.ledger.Idle(b.now, func(uint32) bool { return true }, b.report)
}

// breaks looks for the promise that a test has broken.
func (b *bench) breaks(promise string) {
	b.t.Helper()
	if !slices.ContainsFunc(b.broken, func(s string) bool { return len(s) > len(promise) && s[:len(promise)+1] == promise+":" }) {
		b.t.Errorf("%s is not seen to be broken: %q", promise, b.broken)
	}
}

func TestARolloutAsItIsPromisedBreaksNothing(t *testing.T) {
	for name, r := range map[string]job.Rollout{
		"all at once": {},
		"in batches":  {Batches: []job.Amount{{Count: 1}, {Count: 2}}, PauseBatches: []uint32{1}, Order: job.SpreadRooms},
		"in steps":    {Concurrency: job.Amount{Count: 2}, PauseAfter: []uint32{2, 4}},
		"on a budget": {MaxFailures: job.Budget{Limited: true, Count: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, r)
			for n := range 30 {
				b.write(nil)
				b.idle()
				if b.machine.Row().State == job.Paused {
					b.step(job.Resume{RequestID: fmt.Sprintf("request-%08d", n), Until: job.UntilNext})
					continue
				}
				for o := range uint32(b.targets.Len()) {
					if v := b.machine.Task(o); v.Released && !v.Report.State.Settled() {
						b.ends(o, []task.State{task.Succeeded, task.Failed}[o%2])
						break
					}
				}
				b.now = b.now.Add(time.Second)
			}
			if len(b.broken) > 0 || b.machine.Row().State != job.Done {
				t.Errorf("%s: %q", b.machine.Row().State, b.broken)
			}
		})
	}
}

func TestTheLedgerSeesEveryBrokenPromise(t *testing.T) {
	releaseAll := func(p *job.Persist) { p.Released = []uint32{0, 1, 2, 3, 4, 5} }
	for _, c := range []struct {
		promise string
		rollout job.Rollout
		do      func(b *bench)
	}{
		{Concurrency, job.Rollout{Concurrency: job.Amount{Count: 2}}, func(b *bench) { b.write(releaseAll) }},
		{PausePoint, job.Rollout{PauseAfter: []uint32{2}}, func(b *bench) { b.write(releaseAll) }},
		{PausePoint, job.Rollout{}, func(b *bench) {
			b.step(job.Pause{RequestID: "request-00000001"})
			b.write(releaseAll)
		}},
		{Budget, job.Rollout{MaxFailures: job.Budget{Limited: true, Count: 1}}, func(b *bench) { b.write(releaseAll) }},
		{BatchBarrier, job.Rollout{Batches: []job.Amount{{Count: 2}}}, func(b *bench) { b.write(releaseAll) }},
		{BatchBarrier, job.Rollout{Batches: []job.Amount{{Count: 2}}}, func(b *bench) { b.write(func(p *job.Persist) { p.Row.Batch = 1 }) }},
		{ReleasedOnce, job.Rollout{}, func(b *bench) {
			b.write(nil)
			b.ends(0, task.Succeeded)
			b.write(func(p *job.Persist) { p.Released = []uint32{0} })
		}},
		{ReleaseWindow, job.Rollout{}, func(b *bench) {
			b.now = noon.Add(-time.Hour)
			b.ledger.spec.NotBefore = noon
			b.write(releaseAll)
		}},
		{Counts, job.Rollout{}, func(b *bench) { b.write(func(p *job.Persist) { p.Released = p.Released[1:] }) }},
		{Final, job.Rollout{}, func(b *bench) {
			b.write(nil)
			b.ends(0, task.Succeeded)
			b.write(nil)
			b.ends(1, task.Failed)
			b.write(func(p *job.Persist) { p.Tasks[0].Ordinal = 0 })
		}},
		{SettleBy, job.Rollout{}, func(b *bench) {
			b.write(nil)
			b.ends(0, task.Succeeded)
			b.write(func(p *job.Persist) {
				p.Tasks[0].Report = task.Report{Attempt: 1, State: task.Unknown, Exit: task.Exit{Reason: task.Silent}}
			})
		}},
		{NoLateResume, job.Rollout{PauseAfter: []uint32{1}}, func(b *bench) {
			b.write(nil)
			b.ends(0, task.Succeeded)
			b.write(nil)
			b.step(job.Resume{RequestID: "request-00000001"})
			b.write(func(p *job.Persist) { p.Controls = nil })
		}},
		{ResumeOnce, job.Rollout{PauseAfter: []uint32{1}}, func(b *bench) {
			b.write(nil)
			b.ends(0, task.Succeeded)
			b.write(nil)
			b.step(job.Resume{RequestID: "request-00000001"})
			b.write(func(p *job.Persist) { p.Controls = append(p.Controls, p.Controls[0]) })
		}},
		{NotHeldBack, job.Rollout{}, func(b *bench) {
			b.write(func(p *job.Persist) { p.Released = p.Released[1:] })
			b.idle()
		}},
	} {
		b := newBench(t, c.rollout)
		c.do(b)
		b.breaks(c.promise)
	}
}

func TestTheLayoutIsThatOfTheRollout(t *testing.T) {
	b := newBench(t, job.Rollout{Order: job.SpreadRooms, Batches: []job.Amount{{Count: 1}, {Percent: 50}}})
	l := b.ledger.Layout
	if !slices.Equal(l.Order, []uint32{0, 3, 1, 4, 2, 5}) || !slices.Equal(l.Place, []uint32{0, 2, 4, 1, 3, 5}) || !slices.Equal(l.Ends, []int{1, 4, 6}) {
		t.Errorf("%+v", l)
	}
}
