// Package push proves that a push is only quick: whatever the network does, and
// with push switched off, all ends right, only later. What was started is read in
// files outside CCS.
package push

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const (
	hosts = 6
	// storm is how long the weather is bad, and lasts how long each kind of it at
	// most lasts at one place.
	storm = 10 * time.Second
	lasts = 2 * time.Second
	// many jobs are submitted meanwhile.
	many = 8
)

// hops are the ways between the tiers: from access to schedulers, the mesh, and
// the sessions.
func hops(l devcluster.Listener) bool { return l.Tier == "scheduler" || l.Tier == "aggregator" }

func TestWhateverTheNetworkDoesAllEndsRightOnlyLater(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	proxies := rig.NewProxies(t, hops)
	c := rig.Start(t, devcluster.Options{
		Hosts: hosts, Rooms: []string{"bj01"}, Through: proxies.Through,
		Settings: map[string]map[string]any{"aggregator": {"heartbeat_interval": "2s"}},
	})
	began := make([]rig.Witness, many)
	requests := make([]client.Request, many)
	for i := range many {
		began[i] = rig.NewWitness(t)
		requests[i] = client.Request{
			All: true, Command: rig.Sh(began[i].Says("began") + "sleep 0.2"),
			Batches: []client.Amount{{Count: 1}, {Count: 2}, {Count: 3}}, PauseAfter: []uint32{3},
		}
	}
	endless, never := rig.NewWitness(t), rig.NewWitness(t)
	toCancel := c.Run(t, client.Request{Command: rig.Gate(endless, never, "0"), Concurrency: client.Amount{Count: 3}})
	endless.Await(t, 3)

	ctx, calm := context.WithCancel(t.Context())
	defer calm()
	var weather errgroup.Group
	weather.Go(func() error { badWeather(ctx, proxies.All, seed); return nil })
	jobs := make([]client.Job, many)
	var submitting errgroup.Group
	for i, r := range requests {
		submitting.Go(func() (err error) {
			if err := after(ctx, time.Duration(i)*storm/(many+2)); err != nil {
				return err
			}
			jobs[i], err = c.SDK.Run(t.Context(), r)
			return err
		})
	}
	submitting.Go(func() error {
		_, err := c.SDK.Cancel(t.Context(), toCancel.ID, client.Cancel{})
		return err
	})
	if err := submitting.Wait(); err != nil {
		t.Errorf("in bad weather: %v", err)
	}
	if err := after(ctx, storm/2); err != nil {
		t.Fatal(err)
	}
	calm()
	if err := weather.Wait(); err != nil {
		t.Fatal(err)
	}

	fair := time.Now()
	for i, j := range jobs {
		c.AwaitPaused(t, j.ID, 2, 3)
		if n := len(began[i].Lines(t)); n != 3 {
			t.Errorf("before the pause point of job %s %d commands have begun", j.ID, n)
		}
		if _, err := c.SDK.Resume(t.Context(), j.ID, client.Resume{ToNextPoint: true}); err != nil {
			t.Fatal(err)
		}
	}
	for i, j := range jobs {
		rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
		if n := len(began[i].Lines(t)); n != hosts {
			t.Errorf("%d commands of job %s have begun", n, j.ID)
		}
	}
	for host, task := range c.Settled(t, toCancel.ID) {
		if task.State != "CANCELED" && task.State != "SKIPPED" {
			t.Errorf("of the canceled job %s ended %s", host, rig.Word(task))
		}
	}
	t.Logf("all had ended %v after the weather had cleared", time.Since(fair).Round(time.Millisecond))
}

// badWeather makes it bad in one place after another, at several at once, until
// ctx ends, and then fair everywhere.
func badWeather(ctx context.Context, places []*rig.Proxy, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 0))
	clears := map[*rig.Proxy]time.Time{}
	for ctx.Err() == nil {
		place := places[dice.IntN(len(places))]
		switch dice.IntN(6) {
		case 0:
			place.Break()
		case 1:
			place.Set(rig.Weather{Cut: true})
		case 2:
			place.Set(rig.Weather{Stall: true})
		case 3:
			place.Set(rig.Weather{LoseUp: true})
		case 4:
			place.Set(rig.Weather{LoseDown: true})
		case 5:
			place.Set(rig.Weather{Delay: time.Duration(dice.IntN(300)) * time.Millisecond})
		}
		clears[place] = time.Now().Add(time.Duration(dice.Int64N(int64(lasts))))
		_ = after(ctx, time.Duration(50+dice.IntN(200))*time.Millisecond) // the loop looks
		for one, at := range clears {
			if time.Now().After(at) {
				one.Set(rig.Weather{})
				delete(clears, one)
			}
		}
	}
	for _, one := range places {
		one.Set(rig.Weather{})
	}
}

// after waits.
func after(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("not within %v", d), ctx.Err())
	}
}
