package access

import (
	"sync"

	"google.golang.org/grpc/status"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// maxPools bounds the cache: about 2 MB.
const maxPools = 20_000

// poolCache remembers which pool holds a job: the pool is stamped on a job when
// it is accepted, and stays. When it is full the older half goes.
type poolCache struct {
	mu         sync.Mutex // protects what follows
	young, old map[job.ID]string
}

func newPoolCache() *poolCache { return &poolCache{young: map[job.ID]string{}} }

func (c *poolCache) get(id job.ID) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pool, ok := c.young[id]; ok {
		return pool, true
	}
	pool, ok := c.old[id]
	return pool, ok
}

func (c *poolCache) put(id job.ID, pool string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= maxPools/2 {
		c.old, c.young = c.young, map[job.ID]string{}
	}
	c.young[id] = pool
}

// learn takes the pool that a scheduler names which does not own the job: what
// was believed before was wrong. It returns that pool; false: none is named.
func (c *poolCache) learn(id job.ID, err error) (pool string, ok bool) {
	for _, d := range status.Convert(err).Details() {
		if owner, is := d.(*schedulerv1.NotOwner); is && owner.GetPool() != "" {
			c.put(id, owner.GetPool())
			return owner.GetPool(), true
		}
	}
	return "", false
}
