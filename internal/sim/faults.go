package sim

import "time"

// drawFaults decides which kinds of faults this seed has, and until when. Half
// of the kinds are on: what hides behind another fault is seen when that is off.
func (w *world) drawFaults() {
	for i := range faultNames {
		if w.chance(ofPlan, 500) {
			w.faults |= 1 << i
		}
	}
	if w.chance(ofPlan, 500) {
		w.faults &^= StoreRestore // what it excuses is much
	}
	w.faults &^= w.opt.Without
	w.calm = w.began.Add(w.span(ofPlan, 100*time.Second, 280*time.Second))
	if w.opt.Calm > 0 {
		w.calm = w.began.Add(w.opt.Calm)
	}
}

// plague plans the faults that come from outside; those that strike in the
// middle of something are where that is done.
func (w *world) plague() {
	recurring := []struct {
		kind  Fault
		every time.Duration // on average
		do    func()
	}{
		{SchedulerCrash, 60 * time.Second, func() { w.anySched().crash("killed") }},
		{SchedulerFreeze, 50 * time.Second, w.freeze},
		{StoreDown, 35 * time.Second, func() { w.store.away = w.now.Add(w.span(ofFault, time.Second, 25*time.Second)) }},
		{StoreRestore, 30 * time.Second, w.backup},
		{CoordDown, 50 * time.Second, w.loseCoord},
		{AggregatorCrash, 45 * time.Second, w.crashAgg},
		{StreamBreak, 10 * time.Second, w.breakStream},
		{Partition, 40 * time.Second, w.part},
		{AgentKill, 25 * time.Second, func() { w.anyHost().killAgent("killed") }},
		{ExecutorKill, 25 * time.Second, func() { w.anyHost().killExecutor("killed") }},
		{EndProcessKill, 8 * time.Second, func() { w.anyHost().killEndProcess(w.pick(ofFault, 8)) }},
		{Reboot, 15 * time.Second, func() { w.anyHost().reboot(w.chance(ofFault, 500)) }},
		{Wipe, 70 * time.Second, func() { w.anyHost().wipe() }},
		{Clock, 25 * time.Second, w.jump},
		{HostGone, 120 * time.Second, func() { w.anyHost().leave() }},
	}
	for _, r := range recurring {
		if w.faults&r.kind == 0 {
			continue
		}
		var next func()
		next = func() {
			w.after(w.span(ofFault, 0, 2*r.every), func() {
				if w.on(r.kind) {
					w.struck(r.kind)
					r.do()
					next()
				}
			})
		}
		next()
	}
	w.at(w.calm, func() {
		w.say("world", "the faults stop")
		w.net.blocks = nil
	})
}

func (w *world) anySched() *sched { return w.scheds[w.pick(ofFault, len(w.scheds))] }
func (w *world) anyHost() *host   { return w.hosts[w.pick(ofFault, len(w.hosts))] }

func (w *world) freeze() {
	s := w.anySched()
	if s.awake() {
		s.frozen = w.now.Add(w.span(ofFault, time.Second, 30*time.Second))
		w.say(s.name, "is frozen until %.3fs", s.frozen.Sub(w.began).Seconds())
	}
}

func (w *world) crashAgg() {
	if g := w.aggs[w.pick(ofFault, len(w.aggs))]; g.up {
		g.crash(w.chance(ofFault, 400))
	}
}

// backup makes a backup, or puts one in place.
func (w *world) backup() {
	if w.store.backup == nil || w.chance(ofFault, 500) {
		w.store.backup = w.store.copy()
		w.say("store", "is backed up")
		return
	}
	w.saw("the store was restored")
	w.say("store", "is restored from the backup")
	w.store.restore()
}

func (w *world) breakStream() {
	procs := []*proc{&w.anySched().proc, &w.anyHost().agent.proc, &w.aggs[w.pick(ofFault, len(w.aggs))].proc}
	if p := procs[w.pick(ofFault, len(procs))]; len(p.streams) > 0 {
		s := p.streams[w.pick(ofFault, len(p.streams))]
		w.say(s.ends[0].name, "its stream to %s breaks", s.ends[1].name)
		s.cut()
	}
}

// loseCoord takes etcd away for a while. Now and then it comes back from a
// snapshot, and says for a moment who owned what before.
func (w *world) loseCoord() {
	c := &w.coord
	c.away = w.now.Add(w.span(ofFault, time.Second, 40*time.Second))
	w.say("etcd", "is away until %.3fs", c.away.Sub(w.began).Seconds())
	if !w.chance(ofFault, 400) {
		return
	}
	w.at(c.away, func() {
		for shard := range c.should {
			c.should[shard] = w.pick(ofFault, len(w.scheds))
		}
		w.saw("etcd came back from a snapshot")
		w.say("etcd", "is restored from a snapshot: it says %v", c.should)
		c.tell()
	})
}

// part cuts two processes off from each other, or only in one direction.
func (w *world) part() {
	g := w.aggs[w.pick(ofFault, len(w.aggs))]
	from, to := &w.anySched().proc, &g.proc
	if w.chance(ofFault, 600) {
		from = &w.anyHost().agent.proc
	}
	until := w.now.Add(w.span(ofFault, 2*time.Second, 180*time.Second))
	way := w.pick(ofFault, 3)
	w.say("network", "%s and %s are cut off until %.3fs (way %d)", from.name, to.name, until.Sub(w.began).Seconds(), way)
	if way != 1 {
		w.net.blocks = append(w.net.blocks, block{from, to, until})
	}
	if way != 2 {
		w.net.blocks = append(w.net.blocks, block{to, from, until})
	}
}

// jump sets a clock: mostly that of a host.
func (w *world) jump() {
	switch w.pick(ofFault, 5) {
	case 0:
		s := w.anySched()
		s.skew = w.span(ofFault, -20*time.Second, 20*time.Second)
		w.saw("the clock of a scheduler was set")
		w.say(s.name, "its clock is set %s off", s.skew)
		return
	case 1:
		g := w.aggs[w.pick(ofFault, len(w.aggs))]
		g.skew = w.span(ofFault, -2*time.Minute, 2*time.Minute)
		w.saw("the clock of an aggregator was set")
		w.say(g.name, "its clock is set %s off", g.skew)
		return
	}
	h := w.anyHost()
	h.skew = w.span(ofFault, -2*time.Minute, 2*time.Minute)
	if w.chance(ofFault, 300) {
		h.skew = 0
	}
	w.say(string(h.id), "its clock is set %s off", h.skew)
}
