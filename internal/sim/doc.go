// Package sim is a seeded, hostile world around the shipped cores: schedulers
// with take-over, a store that can be restored, aggregators, hosts with disks, a
// network, users, and everything that can go wrong with each. It runs in one
// goroutine and in virtual time: a seed is a run, byte for byte.
//
// It decides nothing that a core decides: core/job, core/task, core/link,
// core/adopt and core/fleet are called as the tiers call them, in the order of
// the tiers. What is written a second time here is the tiers' order of steps and
// the promises of architecture section 5, which are checked on all that a step
// touches and in full at the end, when the faults have long stopped.
//
// Planted bugs (see Bugs) are what shows that the promises are looked at.
package sim
