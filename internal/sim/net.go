package sim

import "time"

// Times of the network.
const (
	keepalive = 15 * time.Second // until a silent end is given up
	fastest   = 200 * time.Microsecond
)

// network is who cannot talk to whom.
type network struct{ blocks []block }

// block is a direction in which nothing gets through.
type block struct {
	from, to *proc
	until    time.Time
}

// blocked is until when nothing gets from one to another; zero: it does.
func (w *world) blocked(from, to *proc) (until time.Time) {
	for i := range w.net.blocks {
		b := &w.net.blocks[i]
		if b.from == from && b.to == to && b.until.After(w.now) && b.until.After(until) {
			until = b.until
		}
	}
	return until
}

// hop is how long a message is under way.
func (w *world) hop() time.Duration {
	most := 3 * time.Millisecond
	if w.on(Delay) {
		switch w.pick(ofNet, 20) {
		case 0:
			most = 4 * time.Second
			w.struck(Delay)
		case 1, 2, 3:
			most = 300 * time.Millisecond
		}
	}
	return w.span(ofNet, fastest, most)
}

// stream is a connection of two processes: what is sent arrives in order, until
// it breaks as a whole. What was under way then is lost.
type stream struct {
	w      *world
	ends   [2]*proc
	last   [2]time.Time // when the last message to that end arrives
	broken bool
	doomed [2]bool   // a message to that end is lost: no later one arrives
	lost   [2]func() // an end learns that it is broken
}

// dial opens a stream from one process to another, or fails after a while.
func (w *world) dial(from, to *proc, opened func(*stream), failed func()) {
	from.after(w.hop(), func() {
		if !to.awake() || !w.blocked(from, to).IsZero() || !w.blocked(to, from).IsZero() {
			from.after(w.span(ofNet, time.Millisecond, 2*time.Second), failed)
			return
		}
		s := &stream{w: w, ends: [2]*proc{from, to}}
		for _, p := range s.ends {
			p.keep(s)
		}
		opened(s)
	})
}

// keep notes a stream of a process, and lets go of those that are broken.
func (p *proc) keep(s *stream) {
	kept := p.streams[:0]
	for _, old := range p.streams {
		if !old.broken {
			kept = append(kept, old)
		}
	}
	p.streams = append(kept, s)
}

// How a message may be treated while its stream goes on.
const (
	inOrder  = iota // as gRPC does
	numbered        // it may be repeated: its receiver counts
	repeated        // it may also be lost or overtaken: another one follows for sure
)

// send delivers a message to an end, 0 or 1.
func (s *stream) send(to, how int, do func()) {
	w := s.w
	if s.broken || s.doomed[to] {
		return
	}
	if w.strikes(StreamBreak, 4) {
		s.cut()
		return
	}
	if how == repeated && w.strikes(Loss, 20) {
		return
	}
	at := w.now.Add(w.hop())
	if until := w.blocked(s.ends[1-to], s.ends[to]); !until.IsZero() {
		if until.Sub(w.now) > keepalive {
			s.doomed[to] = true
			w.after(keepalive, s.cut)
			return
		}
		at = until.Add(w.hop())
	}
	overtakes := how == repeated && w.strikes(Duplicate, 20)
	if before := at.Before(s.last[to]); before && !overtakes {
		at = s.last[to]
	} else if before {
		w.saw("a message overtook another")
	}
	s.last[to] = at
	s.arrive(to, at, do)
	if how != inOrder && w.strikes(Duplicate, 20) {
		s.arrive(to, at.Add(w.hop()), do)
	}
}

func (s *stream) arrive(to int, at time.Time, do func()) {
	s.ends[to].after(at.Sub(s.w.now), func() {
		if !s.broken {
			do()
		}
	})
}

// cut breaks the stream. Each end learns of it by itself, at once or late.
func (s *stream) cut() {
	if s.broken {
		return
	}
	s.broken = true
	for i, p := range s.ends {
		if s.lost[i] == nil || !p.up {
			continue
		}
		late := s.w.hop()
		if s.w.on(StreamBreak) && s.w.chance(ofNet, 200) {
			late = s.w.span(ofNet, 0, keepalive)
		}
		p.after(late, s.lost[i])
	}
}

// call is one request to another process and its answer. What fails, or is not
// answered, is said after a while; whether it was done is not known then.
func (w *world) call(from, to *proc, patience time.Duration, ask func(answer func(func())), failed func()) {
	over, life := false, from.life
	fail := func() {
		if !over {
			over = true
			failed()
		}
	}
	from.after(patience, fail)
	if !w.blocked(from, to).IsZero() || !to.up {
		return
	}
	to.after(w.hop(), func() {
		ask(func(take func()) {
			if !w.blocked(to, from).IsZero() {
				return
			}
			from.afterIn(life, w.hop(), func() {
				if !over {
					over = true
					take()
				}
			})
		})
	})
}
