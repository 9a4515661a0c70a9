package hosts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
)

func TestHostsOfAnEarlierListAreThoseOfToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		for room, id := range map[fleet.Room]string{"sh01": "h1", "bj01": "h3"} {
			h := host(id)
			h.Room = room
			if _, err := d.Register(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		found, err := d.table.Now([]fleet.HostID{"h1", "h3"})
		if err != nil || len(found) != 2 || found[0].ID != "h3" || found[1].Room != "sh01" {
			t.Errorf("they are %v, %v", found, err)
		}
	})
}

func TestHostsThatAreGoneAreNamedUpToFive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		revoked := host("h2")
		revoked.KeyState = fleet.KeyRevoked
		if _, err := d.Register(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		ids := []fleet.HostID{"h1", "h2", "10.0.0.1"} // an address names nobody here
		for i := range 6 {
			ids = append(ids, fleet.HostID(fmt.Sprintf("gone%d", i)))
		}
		_, err := d.table.Now(ids)
		if !errors.Is(err, hosts.ErrNotKnown) || !errors.Is(err, hosts.ErrBarred) {
			t.Fatalf("got %v", err)
		}
		for _, word := range []string{"10.0.0.1, gone0, gone1, gone2, gone3 and 2 more", "not accepted: h2"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("it does not say %q: %v", word, err)
			}
		}
	})
}
