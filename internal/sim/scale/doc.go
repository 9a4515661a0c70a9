// Package scale is the whole fleet in virtual time around the shipped cores: half
// a million hosts in 200 rooms, one job for all of them and ten thousand small
// ones, with every rollout that there is. It shows that the cores carry that on
// one small machine, and says what a shard and an aggregator would carry of it.
//
// It is not the hostile world (package sim): little goes wrong here. Some hosts go
// away and come back, or do not; some commands fail; one shard is taken over. What
// is kept are the order of the tiers, in the leanest form that still sends what
// they send, and the promises, which are counted a second time as it goes and
// checked for every task at the end. One goroutine; a seed is a run.
package scale
