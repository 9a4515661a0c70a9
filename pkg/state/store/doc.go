// Package store is the durable memory of the schedulers: jobs, the tasks that
// have an outcome, outputs, controls, hosts, and who owns which shard.
//
// It holds the contract, its types and its errors; the versions are in
// store/memory, store/sqlite and store/postgres, and store/storetest is the one suite that
// every version must pass. It decides nothing about jobs: what is written is
// what the job's machine said, and the store's only opinions are that a shard
// has one owner (architecture section 9), that a job id exists once across all
// pools (section 3), and that a commit happens once.
//
// Only the scheduler imports it.
package store
