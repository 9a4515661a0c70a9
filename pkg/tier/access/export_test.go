package access

import "github.com/ccs-project/ccs/pkg/core/job"

// Names for the tests of this package, which are outside it.
const (
	MaxMessage    = maxMessage
	MaxPools      = maxPools
	MaxStreams    = maxStreams
	ViewerTimeout = viewerTimeout
)

// BoundViewers sets another limit of viewers.
func (s *Server) BoundViewers(n int) { s.viewers = newViewers(n) }

// Viewers is how many there are.
func (s *Server) Viewers() int {
	s.viewers.mu.Lock()
	defer s.viewers.mu.Unlock()
	return s.viewers.all
}

// PoolCache is a cache of the pools of jobs.
type PoolCache struct{ *poolCache }

// NewPoolCache is an empty one.
func NewPoolCache() PoolCache { return PoolCache{newPoolCache()} }

// Put and Get are its methods; Len is how many jobs it holds.
func (c PoolCache) Put(id job.ID, pool string) { c.put(id, pool) }

// Get finds a pool.
func (c PoolCache) Get(id job.ID) (string, bool) { return c.get(id) }

// Len is how many jobs it holds.
func (c PoolCache) Len() int { return len(c.young) + len(c.old) }
