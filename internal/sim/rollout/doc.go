// Package rollout is what a rollout may do, in the words of architecture section
// 5, and written a second time: dumb, from what is durable alone, and knowing
// nothing of how core/job counts. Every write of a job is shown to its Ledger,
// which says what is not as it was promised. The simulator and its scale run
// share it. It decides nothing.
package rollout
