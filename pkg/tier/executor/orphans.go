package executor

import (
	"sync"

	"github.com/ccs-project/ccs/pkg/host/proc"
)

// remembered is how many orphans' ends are kept: a leader may be waited for a
// moment before it is known whose it was.
const remembered = 1024

// orphans waits for processes that came to this subreaper because their
// end-process died, and remembers how they ended.
type orphans struct {
	mu    sync.Mutex // protects all below
	ends  map[key]proc.Status
	order []key
}

type key struct {
	pid   int
	start uint64
}

func newOrphans() *orphans { return &orphans{ends: map[key]proc.Status{}} }

// reap waits for those that have ended.
func (o *orphans) reap() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range proc.ReapAdopted() {
		k := key{r.PID, r.Start}
		o.ends[k] = r.Status
		o.order = append(o.order, k)
		if len(o.order) > remembered {
			delete(o.ends, o.order[0])
			o.order = o.order[1:]
		}
	}
}

// status returns how an orphan of this boot ended, if it was waited for here.
func (o *orphans) status(id proc.Identity) (proc.Status, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.ends[key{id.PID, id.Start}]
	return s, ok
}
