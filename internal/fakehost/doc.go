// Package fakehost is an executor in memory, with behaviour: it accepts,
// starts once, remembers until E, forgets past W, goes away and comes back, and
// loses its state. Tests of the agent and the swarm run against it; the
// conformance suite executortest holds it and the real executor to one contract.
//
// It runs no processes: a handful of commands are played (play.go).
package fakehost
