// Package task is the life of one command on one host: its states, who may
// advance it, and the one next thing a host must do for it.
//
// It is pure: no I/O, no goroutines, no clock, no randomness. Scheduler,
// aggregator, agent, executor, end-process and simulator import it and none of
// them re-implements its rules. It knows nothing of jobs, rollout or transport.
package task
