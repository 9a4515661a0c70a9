package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// What there is in every world.
const (
	pool   = "standard"
	shards = 2
	rooms  = 2

	mostPlans = 8
)

// build makes the world of a seed.
func build(o Options) *world {
	w := &world{opt: o, tally: Tally{}, began: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	w.now = w.began
	for i := range w.random {
		w.random[i] = rand.New(rand.NewPCG(o.Seed, uint64(i))) //nolint:gosec // a seed is what is wanted
	}
	w.promises = newPromises(w)
	w.drawFaults()
	w.store = newStore(w)
	for n := range 3 + w.pick(ofPlan, 5) {
		w.hosts = append(w.hosts, newHost(w, n))
	}
	if o.Hosts > 0 {
		w.hosts = w.hosts[:min(len(w.hosts), o.Hosts)]
	}
	for n := range 2 + w.pick(ofPlan, 3) {
		w.aggs = append(w.aggs, newAgg(w, n))
	}
	for n := range 2 + w.pick(ofPlan, 2) {
		w.scheds = append(w.scheds, newSched(w, n))
	}
	w.end = w.calm
	for n := 1 + w.pick(ofPlan, 4); n > 0 && len(w.plans) < mostPlans; n-- {
		p := w.ask(nil)
		for !p.spec.Ping && len(w.plans) < mostPlans && w.chance(ofPlan, 350) {
			p = w.ask(p)
		}
	}
	w.end = w.end.Add(4 * time.Minute)
	w.store.jobs, w.jobs = make([]*jobRow, len(w.plans)), make([]jobWatch, len(w.plans))
	w.start()
	return w
}

// ask adds a job, and its user; perhaps it retries another.
func (w *world) ask(parent *plan) *plan {
	p := w.draw(len(w.plans), parent)
	w.plans = append(w.plans, p)
	if p.over().After(w.end) {
		w.end = p.over()
	}
	w.users = append(w.users, newUser(w, p))
	return p
}

// start brings everybody up, a little apart.
func (w *world) start() {
	w.coord.start(w)
	for _, g := range w.aggs {
		w.after(w.span(ofPlan, 0, 100*time.Millisecond), g.start)
	}
	for _, s := range w.scheds {
		w.after(w.span(ofPlan, 0, 200*time.Millisecond), s.start)
	}
	for _, h := range w.hosts {
		w.after(w.span(ofPlan, 0, 500*time.Millisecond), h.start)
	}
	for _, u := range w.users {
		u.start()
	}
	w.plague()
}

func (w *world) newProc(name string) proc { return proc{w: w, name: name} }

// newIncarnation is one that there was not before.
func (w *world) newIncarnation(host, nth int) fleet.Incarnation {
	return fleet.Incarnation{13: byte(host), 14: byte(nth >> 8), 15: byte(nth + 1)}
}

func requestID(p *plan, n int) string { return fmt.Sprintf("request-%04d-%08d", p.n, n) }
