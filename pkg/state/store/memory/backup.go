package memory

import (
	"maps"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// contents is all that a store holds.
type contents struct {
	generation uint64
	shards     map[job.ShardID][]claim // the last is in force
	ids        map[job.ID]identity
	jobs       map[job.ID]*stored
	order      []job.ID // of acceptance
	seq        int64    // of the job accepted last
	horizon    time.Time
	hosts      map[fleet.HostID]fleet.Host
	hostOrder  []fleet.HostID // by revision; hosts that were written again are in it twice
}

// Backup keeps what the store holds now. What it returns puts that back, as an
// operator does who restores a backup: what was written since is gone, and
// whoever reads and writes here goes on. That there is another history is for
// [Store.RaiseGeneration] to tell.
func (s *Store) Backup() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.clone()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.contents = kept.clone() // it may be restored more than once
	}
}

// clone shares only what never changes.
func (c *contents) clone() contents {
	out := *c
	out.shards = maps.Clone(c.shards)
	for id, claims := range out.shards {
		out.shards[id] = slices.Clone(claims)
	}
	out.jobs = make(map[job.ID]*stored, len(c.jobs))
	for id, j := range c.jobs {
		one := *j
		one.released, one.tasks = maps.Clone(j.released), maps.Clone(j.tasks)
		one.controls, one.outputs = maps.Clone(j.controls), maps.Clone(j.outputs)
		out.jobs[id] = &one
	}
	out.ids, out.order = maps.Clone(c.ids), slices.Clone(c.order)
	out.hosts, out.hostOrder = maps.Clone(c.hosts), slices.Clone(c.hostOrder)
	return out
}
