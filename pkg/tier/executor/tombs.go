package executor

import (
	"container/heap"
	"time"
)

// tombs is what is remembered of released commands. What is due to be forgotten
// is found without looking at the rest, however many there are. The loop owns
// it.
type tombs struct {
	until map[string]time.Time // remember-until; zero: for ever
	due   dueHeap              // without those
}

// due is a tombstone's name and its remember-until.
type due struct {
	id    string
	until time.Time
}

func newTombs() tombs { return tombs{until: map[string]time.Time{}} }

func (t *tombs) len() int { return len(t.until) }

func (t *tombs) has(id string) bool {
	_, ok := t.until[id]
	return ok
}

// add remembers a released command. Its remember-until never changes.
func (t *tombs) add(id string, until time.Time) {
	if t.has(id) {
		return
	}
	t.until[id] = until
	if !until.IsZero() {
		heap.Push(&t.due, due{id, until})
	}
}

// past takes up to most tombstones out for which past holds, the earliest
// first, with the greatest remember-until among them. They are still known.
func (t *tombs) past(past func(until time.Time) bool, most int) (all []due, greatest time.Time) {
	for len(t.due) > 0 && len(all) < most && past(t.due[0].until) {
		d, _ := heap.Pop(&t.due).(due)
		all = append(all, d)
		greatest = d.until
	}
	return all, greatest
}

// putBack undoes past.
func (t *tombs) putBack(all []due) {
	for _, d := range all {
		heap.Push(&t.due, d)
	}
}

// forget drops what was taken out.
func (t *tombs) forget(all []due) {
	for _, d := range all {
		delete(t.until, d.id)
	}
}

// dueHeap is a heap of tombstones, the earliest remember-until first.
type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) {
	if d, ok := x.(due); ok {
		*h = append(*h, d)
	}
}

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
