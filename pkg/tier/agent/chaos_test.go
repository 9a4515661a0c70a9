package agent_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// owner is what a scheduler does for its jobs, seen from a host: it asks again
// for what it has heard no outcome of, and forgets what it has.
type owner struct {
	*world
	jobs []*ask
	wish map[*ask]bool // to stop
}

// tend asks again, at every aggregator, as all of them might.
func (o *owner) tend() {
	for _, job := range o.jobs {
		if o.settled(job) {
			for _, a := range o.aggs {
				a.wishForget(job.id())
			}
			continue
		}
		c := o.command(job)
		c.Stop = o.wish[job]
		for _, a := range o.aggs {
			if a.attached() {
				a.deliver(c)
			}
		}
	}
}

func (o *owner) settled(job *ask) bool {
	for _, a := range o.aggs {
		for _, r := range a.heard(job.id()) {
			if r.Seen.State.Final() {
				return true
			}
		}
	}
	return false
}

// Whatever fails in between, every job gets its one outcome, nothing starts
// twice, and nothing stays behind.
func TestWhateverFailsEveryJobEndsOnce(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inWorld(t, 2, func(w *world) { suffer(w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func suffer(w *world, random *rand.Rand) {
	o := &owner{world: w, wish: map[*ask]bool{}}
	w.boot()
	for range 80 {
		misfortune(o, random)
		if random.IntN(3) == 0 {
			o.tend()
		}
		w.pass(time.Duration(random.Int64N(int64(10 * time.Second))))
	}
	w.host.ComeBack()
	w.down.Clear()
	for range 10 {
		w.pass(time.Minute)
		o.tend()
	}
	for i, job := range o.jobs {
		if !o.settled(job) {
			report, known := w.host.Report(job.cmd())
			w.Errorf("job %d has no outcome; the executor has %v %s", i, known, report.State)
		}
		if n := w.host.Starts(job.cmd(), 1); n > 1 {
			w.Errorf("job %d was started %d times", i, n)
		}
		if _, known := w.host.Report(job.cmd()); known {
			w.Errorf("job %d is not released", i)
		}
	}
	if names, _ := w.state.List("copy-"); len(names) != 0 {
		w.Errorf("the cache still has %d commands", len(names))
	}
	for _, a := range w.aggs {
		a.checkOutcomes(w)
	}
}

// misfortune does one thing to the host, its aggregators or its jobs.
func misfortune(o *owner, random *rand.Rand) {
	a := o.aggs[random.IntN(len(o.aggs))]
	switch random.IntN(14) {
	case 0, 1, 2:
		o.jobs = append(o.jobs, o.run("sleep", fmt.Sprint(random.IntN(20))))
	case 3:
		o.jobs = append(o.jobs, o.run("head", "-c", fmt.Sprint(random.IntN(20_000)), "/dev/zero"))
	case 4:
		o.jobs = append(o.jobs, o.ping())
	case 5:
		if len(o.jobs) > 0 {
			job := o.jobs[random.IntN(len(o.jobs))]
			o.wish[job] = true
			a.wishStop(job.id())
		}
	case 6:
		o.host.GoAway()
	case 7, 8:
		o.host.ComeBack()
	case 9:
		a.hangUp(nil)
	case 10:
		o.crash()
		if random.IntN(4) == 0 {
			o.state = &agent.MemoryState{} // its state directory is lost
		}
		o.boot()
	case 11:
		o.down.Store(a.name+":7421", true)
		a.hangUp(nil)
	case 12:
		o.down.Clear()
	case 13: // the aggregator dies, with all that it held
		a.set(func(a *aggregator) {
			a.spool = fmt.Sprint(random.Uint64())
			a.blobs, a.commands, a.stops, a.forgets = map[[32]byte][]byte{}, nil, nil, nil
		})
		a.hangUp(nil)
	}
}

// attached reports whether a host has a session here.
func (a *aggregator) attached() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.talk != nil
}

// checkOutcomes looks for two outcomes of one attempt.
func (a *aggregator) checkOutcomes(w *world) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, all := range a.reports {
		first := task.Report{}
		for _, r := range all {
			if task.Conflict(first, r.Seen) {
				w.Errorf("job %s is %+v, and then %+v", id, first, r.Seen)
			}
			first = task.Join(first, r.Seen)
		}
	}
}
