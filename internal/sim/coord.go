package sim

import (
	"hash/fnv"
	"time"
)

// leaseFor is how long a scheduler that is not heard keeps its shards.
const leaseFor = 5 * time.Second

// coord is etcd: who should own which shard. Nobody's ownership depends on it.
type coord struct {
	w      *world
	away   time.Time // until then it hears and says nothing
	heard  []time.Time
	should []int // by shard; -1: nobody
}

func (c *coord) start(w *world) {
	c.w = w
	c.heard = make([]time.Time, len(w.scheds))
	c.should = make([]int, shards)
	for i := range c.should {
		c.should[i] = -1
	}
	w.every(500*time.Millisecond, c.tick)
}

// tick gives each shard to the live scheduler that it hashes to most.
func (c *coord) tick() {
	w := c.w
	if w.now.Before(c.away) {
		return
	}
	for n, s := range w.scheds {
		if s.awake() {
			c.heard[n] = w.now
		}
	}
	for shard := range c.should {
		best, most := -1, uint32(0)
		for n := range w.scheds {
			if c.heard[n].IsZero() || w.now.Sub(c.heard[n]) >= leaseFor {
				continue
			}
			if weight := rendezvous(n, shard); best < 0 || weight > most {
				best, most = n, weight
			}
		}
		if best != c.should[shard] {
			w.say("etcd", "shard %d should be owned by scheduler %d", shard, best)
		}
		c.should[shard] = best
	}
	c.tell()
}

// tell says to every scheduler who should own what.
func (c *coord) tell() {
	w := c.w
	for _, s := range w.scheds {
		should := append([]int(nil), c.should...)
		s.after(w.hop(), func() { s.own(should) })
	}
}

func rendezvous(sched, shard int) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte{byte(sched), 7, byte(shard), byte(sched * 31)}) // a hash never fails
	return h.Sum32()
}
