package scale

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// Times of the ways. Each is constant, so that what is sent in order comes in
// order.
const (
	meshHop    = time.Millisecond
	sessionHop = 2 * time.Millisecond
	linger     = 2 * time.Millisecond // until what is due leaves with what comes next
	commitTime = 4 * time.Millisecond
	takeOver   = 60 * time.Second
)

type world struct {
	*Result
	opt    Options
	began  time.Time
	now    time.Duration // since then
	queue  queue
	seq    uint64
	random *rand.Rand

	hosts  []*host
	aggs   []*agg
	byVia  map[fleet.Via]*agg
	scheds []*sched
	plans  []*plan
	epochs []job.Epoch // of shards, in the store
}

// Run runs the fleet of the options until nothing is left to do.
func Run(o Options) *Result {
	w := build(o)
	w.start()
	for len(w.queue) > 0 {
		ev := w.queue.pop()
		if ev.at > mostTime {
			w.violate("liveness", "something still happens after %s", mostTime)
			break
		}
		w.now = ev.at
		w.Events++
		ev.do()
	}
	w.Lasted = w.now
	w.judge()
	return w.Result
}

func build(o Options) *world {
	w := &world{
		Result: &Result{Shards: make([]ShardLoad, shards)}, opt: o, began: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC),
		random: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // a seed is what is wanted
		byVia:  map[fleet.Via]*agg{}, epochs: make([]job.Epoch, shards),
	}
	perRoomHosts := o.Hosts / o.Rooms
	for room := range o.Rooms {
		for n := range perRoomHosts {
			w.hosts = append(w.hosts, newHost(w, room, n))
		}
		for range perRoom {
			w.aggs = append(w.aggs, newAgg(w, len(w.aggs), room))
		}
	}
	w.Aggregators = make([]AggregatorLoad, len(w.aggs))
	for n := range processes {
		w.scheds = append(w.scheds, newSched(w, n))
	}
	w.draw()
	w.sizes = measure(w.plans)
	return w
}

// start brings everybody up, and plans what is asked and what goes wrong.
func (w *world) start() {
	for _, h := range w.hosts {
		w.after(w.span(0, time.Second), h.come)
	}
	for shard := range shards {
		w.at(5*time.Second, func() { w.scheds[shard%processes].claim(shard) })
	}
	if w.opt.Gathered != nil {
		w.at(8*time.Second, w.opt.Gathered)
	}
	for _, p := range w.plans {
		w.at(p.at, func() { w.submit(p) })
		w.at(p.spec.StartBy.Sub(w.began), func() { w.expire(p) })
	}
	for _, h := range w.hosts {
		if w.random.IntN(1000) < w.opt.Away {
			h.drawAbsence()
		}
	}
	if !w.opt.Calm {
		w.at(takeOver, func() { w.seize(w.plans[0]) })
	}
}

// seize takes the shard of a job over, while its owner is writing.
func (w *world) seize(p *plan) {
	switch t := w.owner(p.shard); {
	case p.row != nil && p.row.State == job.Done:
	case t == nil || !t.busy:
		w.after(time.Millisecond, func() { w.seize(p) })
	default:
		w.scheds[(t.n+1)%processes].claim(p.shard)
	}
}

func (w *world) clock() time.Time { return w.began.Add(w.now) }

// span is a time between two.
func (w *world) span(from, to time.Duration) time.Duration {
	return from + time.Duration(w.random.Int64N(int64(to-from)+1))
}

func (w *world) at(t time.Duration, do func()) {
	w.seq++
	w.queue.push(event{t, w.seq, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now+d, do) }

func roomName(n int) fleet.Room { return fleet.Room(fmt.Sprintf("room-%03d", n)) }
