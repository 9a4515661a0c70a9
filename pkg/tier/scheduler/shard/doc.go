// Package shard is the owner of one shard: one goroutine that holds the
// machines of its jobs, steps them with what happens, writes what they owe, and
// only then sends and answers (architecture section 9; house.md section 3).
//
// It decides nothing about a job: that is core/job. It speaks no protobuf.
package shard
