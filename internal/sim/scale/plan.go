package scale

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// plan is a job as its user signed it, and what the hosts really did of it.
type plan struct {
	n       int
	fleet   bool
	at      time.Duration // of its submission
	spec    job.Spec
	targets *job.Targets
	hosts   []int32 // by ordinal
	shard   int

	longest time.Duration // that a task takes
	failing int           // of a thousand tasks
	cancel  time.Duration // after its submission; 0: never
	resumes int           // made by its user
	asking  bool          // the user is about to

	starts    []uint8       // by ordinal: how often
	truth     []task.Report // by ordinal: what the host has on its disk
	forgotten []bool        // by ordinal: the host was told so
	row       *row          // in the store
	tree      *capsule.RangeTree
}

// draw decides what is asked: the job on all hosts first.
func (w *world) draw() {
	if w.opt.Fleet {
		everybody := make([]int32, len(w.hosts))
		for n := range everybody {
			everybody[n] = int32(n)
		}
		w.drawFleet(everybody)
	}
	common := w.random
	defer func() { w.random = common }()
	for n := range w.opt.Jobs {
		// What is asked does not depend on how many hosts there are, but for who they are.
		w.random = rand.New(rand.NewPCG(w.opt.Seed, uint64(n+2))) //nolint:gosec // a seed is what is wanted
		p := w.newPlan(20*time.Second+time.Duration(n)*smallEvery, nil)
		p.longest = w.span(time.Second, 20*time.Second)
		p.spec.StartBy = w.began.Add(p.at + w.span(4*time.Minute, 8*time.Minute))
		p.spec.Rollout = w.drawRollout()
		p.spec.Rollout.Deadline = p.spec.StartBy.Add(w.span(0, 4*time.Minute))
		if w.random.IntN(50) == 0 {
			p.cancel = w.span(time.Second, 30*time.Second)
		}
		if !w.opt.Calm && w.random.IntN(3) == 0 {
			p.failing = 100
		}
		p.hosts = w.drawTargets()
		w.add(p)
	}
}

func (w *world) drawFleet(everybody []int32) {
	p := w.newPlan(10*time.Second, everybody)
	p.fleet, p.longest, p.failing = true, 40*time.Second, 10
	p.spec.StartBy = w.began.Add(p.at + 2*time.Hour)
	p.spec.Rollout = job.Rollout{
		Concurrency: job.Amount{Percent: 20}, Batches: []job.Amount{{Count: 1}, {Percent: 1}, {Percent: 10}, {Percent: 30}},
		PauseBatches: []uint32{2}, PauseAfter: []uint32{uint32(max(1, len(everybody)/2))},
		MaxFailures: job.Budget{Limited: true, Percent: 5}, Order: job.SpreadRooms,
		Deadline: p.spec.StartBy.Add(10 * time.Minute),
	}
	w.add(p)
}

// drawTargets takes 1..50 hosts of a few rooms, by room and host.
func (w *world) drawTargets() []int32 {
	count := min(1+w.random.IntN(mostSmall), len(w.hosts))
	size := w.opt.Hosts / w.opt.Rooms
	rooms := min(w.opt.Rooms, max(1+w.random.IntN(5), (count+size-1)/size))
	first := w.random.IntN(w.opt.Rooms)
	var list []int32
	for len(list) < count {
		room := (first + w.random.IntN(rooms)) % w.opt.Rooms
		n := int32(room*size + w.random.IntN(size))
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func (w *world) drawRollout() job.Rollout {
	r := job.Rollout{WaitOffline: time.Duration(w.random.IntN(3)) * 10 * time.Second}
	amount := func() job.Amount {
		if w.random.IntN(2) == 0 {
			return job.Amount{Percent: uint32(10 + w.random.IntN(60))}
		}
		return job.Amount{Count: uint32(1 + w.random.IntN(10))}
	}
	if w.random.IntN(2) == 0 {
		r.Concurrency = amount()
	}
	if w.random.IntN(2) == 0 {
		r.Order = job.SpreadRooms
	}
	if w.random.IntN(5) < 2 {
		for range 1 + w.random.IntN(3) {
			r.Batches = append(r.Batches, amount())
		}
		if w.random.IntN(2) == 0 {
			r.PauseBatches = []uint32{1, 3}
		}
	}
	if w.random.IntN(4) == 0 {
		r.PauseAfter = []uint32{uint32(1 + w.random.IntN(10)), 20}
	}
	if w.random.IntN(2) == 0 {
		r.MaxFailures = job.Budget{Limited: true, Count: uint32(w.random.IntN(4))}
		r.FailureAction = job.FailureAction(w.random.IntN(3))
	}
	return r
}

func (w *world) newPlan(at time.Duration, hosts []int32) *plan {
	p := &plan{n: len(w.plans), at: at, hosts: hosts}
	var salt [10]byte
	for i := range salt {
		salt[i] = byte(w.random.IntN(256))
	}
	p.spec = job.Spec{
		ID: job.NewID(w.began.Add(at), salt), Pool: pool, Class: class, Account: "ops", Submitter: "ann",
		Command: "uptime", Created: w.began.Add(at),
	}
	return p
}

// add signs a plan: its targets are frozen.
func (w *world) add(p *plan) {
	var b job.TargetsBuilder
	for _, n := range p.hosts {
		h := w.hosts[n]
		if err := b.Add(roomName(h.room), job.Target{Host: h.id, Incarnation: h.inc}); err != nil {
			w.violate("plan", "%v", err)
		}
	}
	targets, err := b.Build()
	if err != nil {
		w.violate("plan", "%v", err)
	}
	n := len(p.hosts)
	p.targets, p.shard = targets, int(job.ShardOf(p.spec.ID, shards))
	p.starts, p.truth, p.forgotten = make([]uint8, n), make([]task.Report, n), make([]bool, n)
	w.plans = append(w.plans, p)
	w.Shards[p.shard].Jobs++
	w.Shards[p.shard].Targets += n
	w.Shards[p.shard].Fleet = w.Shards[p.shard].Fleet || p.fleet
	w.Traffic[p.kind()].Tasks += n
	w.Tasks += n
}

// kind is the index of its traffic.
func (p *plan) kind() int {
	if p.fleet {
		return 1
	}
	return 0
}

// ending is how a task ends by itself, and after how long.
func (p *plan) ending(ordinal uint32) (time.Duration, task.Report) {
	mix := uint64(p.n+1)*0x9e3779b97f4a7c15 ^ uint64(ordinal+1)*0xbf58476d1ce4e5b9
	mix ^= mix >> 29
	mix *= 0x94d049bb133111eb
	mix ^= mix >> 32
	r := task.Report{Attempt: 1, State: task.Succeeded}
	if int(mix%1000) < p.failing {
		r.State, r.Exit.Code = task.Failed, 1
	}
	return 20*time.Millisecond + time.Duration(mix>>20%uint64(p.longest)), r
}
