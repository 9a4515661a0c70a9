package hosts_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

func TestWhereAHostWasSeenLastIsKnownAfterItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		if got := d.table.Last("h1"); got != (hosts.Sighting{Gone: true}) {
			t.Errorf("of a host that was never seen: %+v", got)
		}
		came := time.Now()
		d.attach("agg-1", "h1", 1, 1, nil)
		if got := d.table.Last("h1"); got.Via != "agg-1" || got.Gone || !got.Since.Equal(came) {
			t.Errorf("of a host that is here: %+v", got)
		}
		time.Sleep(time.Minute)
		left := time.Now()
		d.attach("agg-1", "h1", 1, 1, func(a *mesh.Attachment) { a.Attached = false })
		time.Sleep(time.Minute)
		if got := d.table.Last("h1"); got.Via != "agg-1" || !got.Gone || !got.Since.Equal(left) {
			t.Errorf("of a host that has gone: %+v", got)
		}
	})
}
