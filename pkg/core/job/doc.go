// Package job is the life of one job: what is released when, what is owed to
// the store and to the rooms, and when all is settled.
//
// It is pure: a [Machine] is stepped with events at the caller's time and asked
// with Ready what it owes, in this order: persist everything, and only then
// send anything. It is not safe for concurrent use. It knows nothing of
// transport, storage formats or the contents of outputs.
//
// What is durable is the row of the job, which ordinals are released, and one
// row for each task that has an outcome or a second attempt. All else (who is
// attached, how far a host has come) is heard again after a restart.
package job
