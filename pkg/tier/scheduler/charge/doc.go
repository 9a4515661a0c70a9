// Package charge decides what this scheduler process runs: the shards that
// rendezvous hashing gives to it among the schedulers that are alive, each under
// a key in etcd. A key says who should own a shard; the store says who does
// (architecture section 9). What runs goes on while etcd is away.
package charge
