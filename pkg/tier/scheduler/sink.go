package scheduler

import (
	"context"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
)

// sink passes on what comes from the rooms.
type sink struct{ *Scheduler }

// Attachments takes hosts that came and went.
func (s sink) Attachments(ctx context.Context, a mesh.Attachments) {
	s.tellShards(ctx, s.hosts.Attach(a, time.Now()))
}

// Lost takes that a stream broke.
func (s sink) Lost(_ context.Context, via fleet.Via, at time.Time) { s.hosts.Lost(via, at) }

// Returns takes what an aggregator could not do.
func (s sink) Returns(ctx context.Context, r mesh.Returns) {
	_ = s.shardOf(r.Job).Returned(ctx, r) // where it is not owned, another owner asks anew
}

// Reports takes what hosts say. Of jobs that are not owned here nothing is kept:
// the aggregator sends it to their owner.
func (s sink) Reports(ctx context.Context, b mesh.Batch) {
	parts := map[*shard.Shard]*shard.Heard{}
	for i := range b.Reports {
		r := &b.Reports[i]
		if r.Pool != s.cfg.Pool {
			continue
		}
		missing, err := missingOutputs(r, b.Blobs)
		if err != nil {
			s.log.ErrorContext(ctx, "report with an impossible output is left out", "job", r.Job, "host", r.Host, "error", err)
			continue
		}
		sh := s.shardOf(r.Job)
		if len(missing) > 0 {
			s.fetch(ctx, sh, b.Via, *r, b.Blobs, missing)
			continue
		}
		part := parts[sh]
		if part == nil {
			part = &shard.Heard{Contents: b.Blobs}
			parts[sh] = part
		}
		part.Reports = append(part.Reports, *r)
	}
	for sh, part := range parts {
		_ = sh.Reports(ctx, *part) // not owned here, or the stream ends: it comes again
	}
}

// tellShards says that hosts came, went or changed.
func (s *Scheduler) tellShards(ctx context.Context, changed []fleet.HostID) {
	if len(changed) == 0 {
		return
	}
	for _, sh := range s.shards {
		_ = sh.HostsChanged(ctx, changed) // where it is not owned the next owner looks by itself
	}
}
