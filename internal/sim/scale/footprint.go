package scale

import (
	"runtime"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Footprint is what the cores keep in memory, in bytes on the heap.
type Footprint struct {
	Pending  float64 // a target of a large job, all released and attached
	Done     float64 // the same, when all have settled
	SmallJob float64 // a job of 25 targets, likewise
	Host     float64 // a host, in a scheduler's attachments; its name not included
}

// Measure takes the footprint of the cores, with a large job on so many rooms and
// hosts in each.
func Measure(rooms, hosts int) Footprint {
	var f Footprint
	everybody := idle(rooms, hosts)
	n := float64(len(everybody))
	f.Pending = kept(func() any { return released(idleTargets(everybody), everybody) }) / n
	f.Done = kept(func() any {
		m := released(idleTargets(everybody), everybody)
		for _, p := range everybody {
			_ = m.Step(noon, outcomeOf(p.target))
		}
		m.Ready()
		return m
	}) / n
	f.Host = kept(func() any {
		seen := fleet.NewAttachments()
		for i, p := range everybody {
			seen.Attach(vias[i%len(vias)], p.target.Host, p.target.Incarnation, 1, noon)
		}
		return seen
	}) / n
	small, several := idle(5, 5), make([]*job.Machine, 2000)
	f.SmallJob = kept(func() any {
		for i := range several {
			several[i] = released(idleTargets(small), small)
		}
		return several
	}) / float64(len(several))
	runtime.KeepAlive(everybody) // else it would count as less
	return f
}

// kept is how many bytes are on the heap for what is made.
func kept(made func() any) float64 {
	before := heap()
	what := made()
	after := heap()
	runtime.KeepAlive(what)
	return float64(after) - float64(before)
}

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	vias = []fleet.Via{"agg-000", "agg-001", "agg-002", "agg-003"}
)

// place is a target and where it is.
type place struct {
	room   fleet.Room
	target job.Target
}

func idle(rooms, hosts int) []place {
	var list []place
	for room := range rooms {
		for n := range hosts {
			h := newHost(&world{}, room, n)
			h.inc[12] = byte(room + 1)
			list = append(list, place{roomName(room), job.Target{Host: h.id, Incarnation: h.inc}})
		}
	}
	return list
}

func idleTargets(list []place) *job.Targets {
	var b job.TargetsBuilder
	for _, p := range list {
		if err := b.Add(p.room, p.target); err != nil {
			panic(err) // they are in order
		}
	}
	targets, err := b.Build()
	if err != nil {
		panic(err) // nobody is in it twice
	}
	return targets
}

// released is a job whose targets are all here and released.
func released(targets *job.Targets, list []place) *job.Machine {
	m := job.New(job.Spec{
		ID: job.NewID(noon, [10]byte{1}), StartBy: noon.Add(time.Hour), Rollout: job.Rollout{Deadline: noon.Add(time.Hour)},
	}, targets)
	for _, p := range list {
		_ = m.Step(noon, job.Reached{Host: p.target.Host, Incarnation: p.target.Incarnation})
	}
	m.Ready()
	return m
}

func outcomeOf(t job.Target) job.Reported {
	return job.Reported{Host: t.Host, Incarnation: t.Incarnation, Report: task.Report{Attempt: 1, State: task.Succeeded}}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
