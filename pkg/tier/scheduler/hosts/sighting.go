package hosts

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// Sighting is where a host was seen last.
type Sighting struct {
	Via   fleet.Via // the aggregator that spoke last of it; empty: none did to this process
	Gone  bool      // it has no session there, as far as is known
	Since time.Time // of being gone or not; zero: it was never seen
}

// Last is where a host was seen last by this process.
func (t *Table) Last(host fleet.HostID) Sighting {
	t.mu.RLock()
	defer t.mu.RUnlock()
	presence, since := t.seen.Since(host)
	via, _ := t.seen.LastVia(host)
	return Sighting{Via: via, Gone: presence != fleet.Here, Since: since}
}
