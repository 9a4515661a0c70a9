package storetest

import (
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func host(n int) fleet.Host {
	return fleet.Host{
		ID: fleet.HostID(fmt.Sprintf("host-%06d", n)), Address: "10.0.0.1", Room: "bj01",
		Labels: map[string]string{"app": "web", "quote": `"`}, Facts: map[string]string{"os": "debian 12", "名": "x"},
		Incarnation: fleet.Incarnation{1, byte(n)}, PublicKey: [32]byte{2, byte(n)}, KeyState: fleet.KeyAccepted,
	}
}

func hosts() []test {
	return []test{
		{"hosts come back as written, with growing revisions", func(r *rig) {
			o := r.claim(store.HostTable(), "s1")
			b := o.batch()
			b.Hosts = []fleet.Host{host(3), host(1), host(2)}
			result := r.commit(b)[0]
			if result.Err != nil || result.HostRevision != 3 {
				r.Fatalf("result %+v, want revision 3", result)
			}
			for i := range b.Hosts {
				b.Hosts[i].Revision = uint64(i + 1)
			}
			r.same("hosts", all(r, r.Hosts(r.Context(), 0)), b.Hosts)
			r.same("hosts after 2", all(r, r.Hosts(r.Context(), 2)), b.Hosts[2:])
			r.same("hosts after 3", all(r, r.Hosts(r.Context(), 3)), []fleet.Host(nil))
			r.same("hosts after more than there is", all(r, r.Hosts(r.Context(), 99)), []fleet.Host(nil))
		}},
		{"a host that is written again moves to the end", func(r *rig) {
			o := r.claim(store.HostTable(), "s1")
			b := o.batch()
			b.Hosts = []fleet.Host{host(1), host(2)}
			r.commit(b)
			moved := host(1)
			moved.Room, moved.Labels, moved.Facts, moved.KeyState = "sh02", nil, map[string]string{}, fleet.KeyRevoked
			b = o.batch()
			b.Hosts = []fleet.Host{moved}
			r.commit(b)
			moved.Revision = 3
			r.same("what changed", all(r, r.Hosts(r.Context(), 2)), []fleet.Host{moved})
			if got := all(r, r.Hosts(r.Context(), 0)); len(got) != 2 || got[0].ID != host(2).ID || got[1].ID != host(1).ID {
				r.Errorf("the table is %+v, want host 2, then host 1", got)
			}
		}},
		{"the host table has one owner, like any shard", func(r *rig) {
			old := r.claim(store.HostTable(), "s1")
			r.claim(store.HostTable(), "s2")
			b := old.batch()
			b.Hosts = []fleet.Host{host(1)}
			if result := r.commit(b)[0]; !errors.Is(result.Err, store.ErrFenced) {
				r.Errorf("%v, want ErrFenced", result.Err)
			}
			if got := all(r, r.Hosts(r.Context(), 0)); len(got) != 0 {
				r.Errorf("the fenced owner wrote %+v", got)
			}
		}},
		{"hosts in the batch of another shard are refused", func(r *rig) {
			b := r.claim(shard(), "s1").batch()
			b.Hosts = []fleet.Host{host(1)}
			if result := r.commit(b)[0]; !errors.Is(result.Err, store.ErrBatch) {
				r.Errorf("%v, want ErrBatch", result.Err)
			}
		}},
		{"a table of many hosts is read whole", func(r *rig) {
			o := r.claim(store.HostTable(), "s1")
			b := o.batch()
			for n := range 4_500 {
				b.Hosts = append(b.Hosts, host(n))
			}
			r.commit(b)
			got := all(r, r.Hosts(r.Context(), 0))
			if len(got) != 4_500 || got[4_499].ID != host(4_499).ID || got[4_499].Revision != 4_500 {
				r.Errorf("%d hosts", len(got))
			}
			again := r.commit(b)[0]
			r.same("the same batch again", again, store.Result{Again: true})
		}},
	}
}
