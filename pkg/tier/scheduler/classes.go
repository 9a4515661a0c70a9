package scheduler

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// classes is which pool serves which class, as etcd says; when etcd is away what
// is known holds on.
type classes struct {
	known chan struct{} // closed when they have been seen

	mu   sync.Mutex
	pool map[string]string // under mu: by class
}

func newClasses() *classes { return &classes{known: make(chan struct{})} }

func (c *classes) watch(ctx context.Context, client coord.Client, log *slog.Logger) error {
	for {
		err := coord.WatchClasses(ctx, client, func(seen coord.Classes) {
			if seen.Alarm != nil {
				log.ErrorContext(ctx, "coordination went back in time; keeping the classes that are known", "error", seen.Alarm)
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.pool == nil {
				close(c.known)
			}
			c.pool = seen.Pool
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is no fault
		}
		log.WarnContext(ctx, "watch of the classes ended; keeping what is known", "error", err)
		lifecycle.Pause(ctx, pollEvery)
	}
}

// of is the pool of a class, "" if there is no such class, and all classes.
func (c *classes) of(class string) (pool string, all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pool[class], slices.Sorted(maps.Keys(c.pool))
}
