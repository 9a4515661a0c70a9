// Package postgres keeps the store in a PostgreSQL database (14 or newer), for
// schedulers on several machines.
//
// Durability: a commit is answered for when the server's COMMIT is, with
// synchronous_commit on; a server that answers earlier is refused.
//
// Fencing: every transaction that writes for a shard locks the shard's row
// first, in the order of (pool, number), and compares its epoch; Claim changes
// that row. COMMIT is sent only after the reply to the lock. So whoever holds
// the row, as Claim and Fate do, knows that nothing of an owner before is under
// way any more, however long the network held it up.
//
// Concurrency: READ COMMITTED, in which each statement sees what was committed
// before it began; reads of several statements are REPEATABLE READ. Within a
// process two pools keep readers from standing in the way of writers.
//
// Partitions: what is large and written once (tasks, outputs, bodies) is
// partitioned by the time in the job's id, a day each (partition.go), so that
// retention gives their disk back: it deletes rows of jobs, a step at a time, and
// drops the tables of a day that is empty.
//
// It makes no database, no role and no backup; docs/store.md is for whoever
// does.
package postgres
