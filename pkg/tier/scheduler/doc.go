// Package scheduler owns jobs: it accepts them, releases their tasks, hears
// their outcomes and makes all of it durable. It is the only tier that talks to
// the job store (architecture section 9).
//
// It is the shell around core/job and core/fleet and wires its parts: charge
// (what this process should own), shard (one goroutine for each owned shard),
// commit (one writer for all shards), hosts (the host table) and mesh (the
// streams to the aggregators). The files here are the gRPC edge.
package scheduler
