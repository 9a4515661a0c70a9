package scale

import "time"

// event is something that happens at a time. Of two at the same time the one
// that was planned first is first.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// queue is a heap of values: container/heap would take memory for each.
type queue []event

func (q *queue) push(ev event) {
	*q = append(*q, ev)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *queue) pop() event {
	h := *q
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		next := 2*i + 1
		if next >= last {
			return first
		}
		if next+1 < last && h[next+1].before(&h[next]) {
			next++
		}
		if !h[next].before(&h[i]) {
			return first
		}
		h[i], h[next] = h[next], h[i]
		i = next
	}
}
