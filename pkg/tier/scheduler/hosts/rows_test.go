package hosts_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
)

// direct commits each batch by itself, and notes how many rows it has.
type direct struct {
	*memory.Store
	mu   sync.Mutex
	rows []int
}

func (d *direct) Commit(ctx context.Context, b store.Batch) (store.Result, error) {
	d.mu.Lock()
	d.rows = append(d.rows, len(b.Hosts))
	d.mu.Unlock()
	got, err := d.Store.Commit(ctx, []store.Batch{b})
	if err != nil {
		return store.Result{}, err
	}
	return got[0], got[0].Err
}

// TestHostsThatEnrolAtOnceAreWrittenInBoundedBatches has more of them than one
// batch takes.
func TestHostsThatEnrolAtOnceAreWrittenInBoundedBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		d := &direct{Store: s}
		log := slog.New(slog.DiscardHandler)
		w := hosts.NewWriter(hosts.NewTable(s, log), s, d, "s1", log)
		ctx, stop := context.WithCancel(t.Context())
		var running, enrolling sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		synctest.Wait()
		const all = 3*hosts.MaxRows + 7
		for n := range all {
			enrolling.Go(func() {
				h := host(fmt.Sprintf("h%05d", n))
				h.Address = fmt.Sprintf("10.1.%d.%d", n/250, n%250+1)
				if _, err := w.Register(t.Context(), h); err != nil {
					t.Errorf("host %d: %v", n, err)
				}
			})
		}
		enrolling.Wait()
		written := 0
		for _, n := range d.rows {
			written += n
			if n > hosts.MaxRows {
				t.Errorf("a batch has %d rows", n)
			}
		}
		if written != all {
			t.Errorf("%d of %d hosts were written, in %v", written, all, d.rows)
		}
		stop()
		running.Wait()
		fresh := hosts.NewTable(s, log)
		if err := fresh.Poll(t.Context()); err != nil || fresh.Len() != all {
			t.Errorf("%d hosts are in the store, %v", fresh.Len(), err)
		}
		if _, there := fresh.Row(fleet.HostID("h01500")); !there {
			t.Error("one of the last is not there")
		}
	})
}
