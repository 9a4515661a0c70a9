// Package coord is what the tiers ask of etcd: who is alive, who should own
// which shard, which class goes to which pool, and the bundle of keys.
//
// [Client] is the seam; coord/etcd and coord/memory stand behind it and pass
// one suite, coord/coordtest. On top are the keys of the deployment as types.
// It is no store: nothing is written here for a job or a task, and losing it
// stops no owner (architecture section 9).
package coord
