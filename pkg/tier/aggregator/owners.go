package aggregator

import (
	"context"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// owner is who has said with the greatest epoch that it owns a shard. The epoch
// is kept when its stream is gone, so that nobody with an older one steps in.
type owner struct {
	stream *stream // nil: not connected, or has given the shard up
	name   string
	epoch  job.Epoch
}

// owns takes what a scheduler owns now. Reports of shards that change hands are
// all due again, for their new owner.
func (h *hub) owns(ctx context.Context, st *stream, in *meshv1.Owns) error {
	owns, err := wire.OwnsFromProto(in)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[st.name] != st {
		return nil
	}
	all := h.shards[st.pool] != owns.Count
	h.shards[st.pool] = owns.Count
	changed := map[uint16]bool{}
	for shard, o := range h.owners {
		_, still := owns.Epochs[shard.N]
		if shard.Pool == st.pool && o.stream == st && !still {
			h.owners[shard] = owner{epoch: o.epoch, name: o.name}
			changed[shard.N] = true
		}
	}
	var ignored []job.ShardID
	for n, epoch := range owns.Epochs {
		shard := job.ShardID{Pool: st.pool, N: n}
		before := h.owners[shard]
		order := epoch.Compare(before.epoch)
		older := order < 0 || order == 0 && before.name != "" && before.name != st.name
		if older && !planted.Bug("an older owner is heard") {
			ignored = append(ignored, shard)
			continue
		}
		if before.stream != st || order > 0 { // with another epoch it has begun anew, and knows nothing
			changed[n] = true
		}
		h.owners[shard] = owner{stream: st, name: st.name, epoch: epoch}
	}
	if len(ignored) > 0 { // often many at once: it says all that it owns with every change
		h.log.WarnContext(ctx, "older owner is ignored", "scheduler", st.name,
			"shards", len(ignored), "shard", ignored[0].String(), "owner", h.owners[ignored[0]].name)
	}
	if all || len(changed) > 0 {
		h.rerouteAll(st.pool, func(shard uint16) bool { return all || changed[shard] })
	}
	return nil
}

// rerouteAll gives each report of some shards of a pool to its owner, if there
// is one, from the beginning.
func (h *hub) rerouteAll(pool string, changed func(shard uint16) bool) {
	for _, ho := range h.hosts {
		for _, first := range ho.tasks {
			for r := first; r != nil; r = r.next {
				had := r.told && planted.Bug("Have taken for Forget")
				if r.said != nil && !had && r.pool() == pool && changed(job.ShardOf(r.job.id, h.shards[pool])) {
					r.route()
				}
			}
		}
	}
}

// ownerOf is the stream that a report goes to; nil: nobody owns its shard now.
func (h *hub) ownerOf(r *record) *stream {
	pool := r.pool()
	count := h.shards[pool]
	if count == 0 {
		return nil
	}
	return h.owners[job.ShardID{Pool: pool, N: job.ShardOf(r.job.id, count)}].stream
}
