package coord

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"
)

// HostTableKey is the shard of the host table: one for the whole deployment.
const HostTableKey = "shards//hosts"

// ShardKey returns the key that the scheduler holds which should own a shard:
// `shards/<pool>/<n>`. The store says who does.
func ShardKey(pool string, n uint32) string {
	return shardPrefix(pool) + strconv.FormatUint(uint64(n), 10)
}

func shardPrefix(pool string) string { return "shards/" + pool + "/" }

// Owners is who holds the shards of one pool.
type Owners struct {
	Revision int64
	Owner    map[uint32]string // name of the scheduler by shard; without shards that nobody holds
	Alarm    error             // as in [View]
}

// WatchOwners calls see with the holders of a pool's shards as [Client.Watch]
// does.
func WatchOwners(ctx context.Context, c Client, pool string, see func(Owners)) error {
	return c.Watch(ctx, shardPrefix(pool), func(v View) { see(ownersOf(pool, v)) })
}

func ownersOf(pool string, v View) Owners {
	out := Owners{Revision: v.Revision, Owner: map[uint32]string{}, Alarm: v.Alarm}
	for key, value := range v.Items {
		text := strings.TrimPrefix(key, shardPrefix(pool))
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && ShardKey(pool, uint32(n)) == key {
			out.Owner[uint32(n)] = string(value)
		}
	}
	return out
}

// WatchHostTable calls see with the name of the scheduler that should own the
// host table, empty if none does, as [Client.Watch] does.
func WatchHostTable(ctx context.Context, c Client, see func(owner string)) error {
	return c.Watch(ctx, HostTableKey, func(v View) { see(string(v.Items[HostTableKey])) })
}

// Home returns the member that should hold key: the one with the highest hash
// (rendezvous hashing), so that when a member comes or goes only its own keys
// move. It is empty if there is no member; their order does not matter.
func Home(key string, members []string) string {
	home, highest := "", uint64(0)
	for _, m := range members {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(m + "\x00" + key))
		if weight := spread(hash.Sum64()); home == "" || weight > highest || weight == highest && m < home {
			home, highest = m, weight
		}
	}
	return home
}

// spread mixes the bits of a hash: FNV alone leaves the high bits of short
// texts alike (the finaliser of SplitMix64).
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
