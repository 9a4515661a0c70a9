// Package roomspool is what an aggregator keeps on its disk: a small durable map
// from keys to values, written in groups and read only when a process starts.
//
// What the keys mean is the aggregator's affair. Here are the words that its
// versions share: disk is the real one, memory is one for bubbles, and
// roomspooltest says what both must do. A spool has an id that is made with its
// directory. Whoever was told that something is in the spool may believe it as
// long as the id is the same (architecture section 6, Have).
//
// It is no store: losing it loses nothing but time, because hosts and schedulers
// keep what they have until the shard's owner says Forget.
package roomspool
