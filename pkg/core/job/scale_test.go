package job

import (
	"runtime"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

func aHugeJob() Spec { return aSpec(func(s *Spec) { s.StartBy, s.Timeout = s.Rollout.Deadline, 0 }) }

// reachEverybody attaches all targets without going by their names.
func reachEverybody(tb testing.TB, m *Machine) {
	tb.Helper()
	for o := range uint32(m.targets.Len()) {
		if err := m.Step(dawn(), Reached(m.targets.At(o))); err != nil {
			tb.Fatal(err)
		}
	}
}

// The budget is 200 bytes a pending task (budgets.md), target list included.
func TestAPendingTaskIsSmall(t *testing.T) {
	const rooms, hosts = 10, 10_000
	before := heap()
	m := New(aHugeJob(), manyTargets(t, rooms, hosts))
	reachEverybody(t, m)
	m.Ready()
	perTask := float64(heap()-before) / (rooms * hosts)
	t.Logf("%.1f bytes a task, all released and attached", perTask)
	if perTask > 200 {
		t.Errorf("%.1f bytes a task", perTask)
	}
	if m.Row().InFlight() != rooms*hosts {
		t.Errorf("row %+v", m.Row())
	}
}

// The details of outcomes are the large part, and must not stay.
func TestATaskThatIsDoneIsAsSmall(t *testing.T) {
	const hosts = 50_000
	before := heap()
	m := New(aHugeJob(), manyTargets(t, 1, hosts))
	reachEverybody(t, m)
	m.Ready()
	for o := range uint32(hosts) {
		ev := report(string(m.targets.At(o).Host), task.Succeeded)
		ev.Detail = aDetail()
		if err := m.Step(dawn(), ev); err != nil {
			t.Fatal(err)
		}
	}
	if rd := m.Ready(); !rd.Settled || len(rd.Persist.Tasks) != hosts {
		t.Fatalf("%d outcomes", len(rd.Persist.Tasks))
	}
	if perTask := float64(heap()-before) / hosts; perTask > 200 {
		t.Errorf("%.1f bytes a task", perTask)
	}
	runtime.KeepAlive(m)
}

// What a report costs must follow the report, not the job: the same reports
// are given to a job of a thousand targets and to one of half a million.
func TestAReportCostsTheSameInAHugeJob(t *testing.T) {
	took := func(rooms, hosts int) (time.Duration, float64) {
		m := New(aHugeJob(), manyTargets(t, rooms, hosts))
		reachEverybody(t, m)
		m.Ready()
		o := uint32(0)
		began := time.Now()
		allocs := testing.AllocsPerRun(900, func() {
			if err := m.Step(dawn(), report(string(m.targets.At(o).Host), task.Succeeded)); err != nil {
				t.Fatal(err)
			}
			m.Ready()
			o++
		})
		return time.Since(began), allocs
	}
	small, smallAllocs := took(1, 1000)
	large, largeAllocs := took(200, 2500)
	t.Logf("900 reports, each with its Ready: %s of 1,000 targets (%.0f allocations), %s of 500,000 (%.0f)", small, smallAllocs, large, largeAllocs)
	if largeAllocs > smallAllocs+1 {
		t.Errorf("%.0f allocations a report, %.0f in a small job", largeAllocs, smallAllocs)
	}
	if large > 20*small+20*time.Millisecond {
		t.Errorf("%s, and %s in a small job", large, small)
	}
}

func BenchmarkTenThousandReports(b *testing.B) {
	targets := manyTargets(b, 200, 500)
	for b.Loop() {
		b.StopTimer()
		m := New(aHugeJob(), targets)
		reachEverybody(b, m)
		m.Ready()
		b.StartTimer()
		for o := range uint32(10_000) {
			if err := m.Step(dawn(), report(string(targets.At(o).Host), task.Succeeded)); err != nil {
				b.Fatal(err)
			}
		}
		if rd := m.Ready(); len(rd.Persist.Tasks) != 10_000 {
			b.Fatal("reports are missing")
		}
	}
}

// A report at a time, each with its Ready: the worst way to drive a machine.
func BenchmarkAReportAndItsReady(b *testing.B) {
	targets := manyTargets(b, 200, 2500)
	m := New(aHugeJob(), targets)
	reachEverybody(b, m)
	m.Ready()
	o := uint32(0)
	for b.Loop() {
		if err := m.Step(dawn(), report(string(targets.At(o).Host), task.Running)); err != nil {
			b.Fatal(err)
		}
		m.Ready()
		o = (o + 7919) % uint32(targets.Len())
	}
}

func BenchmarkReleaseOfTheWholeFleet(b *testing.B) {
	targets := manyTargets(b, 200, 2500)
	for b.Loop() {
		m := New(aHugeJob(), targets)
		reachEverybody(b, m)
		if rd := m.Ready(); len(rd.Persist.Released) != targets.Len() {
			b.Fatal("releases are missing")
		}
	}
}

func BenchmarkASmallJobFromBeginToEnd(b *testing.B) {
	targets := manyTargets(b, 2, 5)
	for b.Loop() {
		m := New(aHugeJob(), targets)
		reachEverybody(b, m)
		m.Ready()
		for o := range uint32(targets.Len()) {
			if err := m.Step(dawn(), report(string(targets.At(o).Host), task.Succeeded)); err != nil {
				b.Fatal(err)
			}
		}
		if rd := m.Ready(); !rd.Settled {
			b.Fatal("not settled")
		}
	}
}

func BenchmarkBuildTargetsOfTheWholeFleet(b *testing.B) {
	for b.Loop() {
		manyTargets(b, 200, 2500)
	}
}
