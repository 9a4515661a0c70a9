package job

import (
	"iter"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Counts is how many tasks are in each state.
type Counts struct{ n [17]uint32 } // by state/64: states are 64 apart

// CountsOf rebuilds counts from what [Counts.All] yielded, as a store reads
// them back. What is not a state of the closed set, or not a number, is left out.
func CountsOf(each iter.Seq2[task.State, int]) Counts {
	var c Counts
	for s, n := range each {
		if s%64 == 0 && int(s/64) < len(c.n) && n > 0 {
			c.n[s/64] = uint32(n) // at most MaxTargets
		}
	}
	return c
}

// Of is the number of tasks in a state of the closed set.
func (c Counts) Of(s task.State) int { return int(c.n[s/64]) }

// All yields the states that have tasks, ascending.
func (c Counts) All() iter.Seq2[task.State, int] {
	return func(yield func(task.State, int) bool) {
		for i, n := range c.n {
			if n > 0 && !yield(task.State(i*64), int(n)) {
				return
			}
		}
	}
}

func (c *Counts) move(from, to task.State) {
	c.n[from/64]--
	c.n[to/64]++
}

// unsettled is the number of tasks that a user still waits for.
func (c Counts) unsettled() int {
	sum := 0
	for i := range task.Unknown / 64 {
		sum += int(c.n[i])
	}
	return sum
}

// durable is what of the counts survives a restart: how far a host has come is
// not written down, only that the task is released.
func (c Counts) durable() Counts {
	d := c
	for i := task.Accepted / 64; i < task.Unknown/64; i++ {
		d.n[task.Dispatched/64] += d.n[i]
		d.n[i] = 0
	}
	return d
}
