package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// Pace of the killer: the time between two blows, and how long a victim stays
// down or frozen.
const (
	leastPause, mostPause = 500 * time.Millisecond, 3 * time.Second
	mostDown              = 8 * time.Second
	takeOver              = 5 * time.Second // a scheduler that is away so long has lost its shards
)

// killer strikes one process after the other. Its methods are called by the
// test's goroutine alone.
type killer struct {
	t      *testing.T
	c      cluster
	rand   *rand.Rand
	byName []string // whom it may strike
	heal   sync.WaitGroup

	mu   sync.Mutex      // protects what follows
	down map[string]bool // victims that have not been brought back

	ended             map[task]bool // whose end-process was killed
	kills, stops, cut int
}

func newKiller(t *testing.T, c cluster, r *rand.Rand) *killer {
	t.Helper()
	return &killer{t: t, c: c, rand: r, byName: c.Processes(), down: map[string]bool{}, ended: map[task]bool{}}
}

// String is what it has done.
func (k *killer) String() string {
	return fmt.Sprintf("%d killed (%d of them end-processes), %d frozen, %d connections cut", k.kills, len(k.ended), k.stops, k.cut)
}

// rage strikes until the time has come, or the test is over.
func (k *killer) rage(ctx context.Context, until time.Time) {
	for time.Now().Before(until) && ctx.Err() == nil && !k.t.Failed() {
		lifecycle.Pause(ctx, leastPause+time.Duration(k.rand.Int64N(int64(mostPause-leastPause))))
		switch n := k.rand.IntN(20); {
		case n < 2:
			k.killEndProcess()
		case n < 5:
			k.freeze(ctx)
		default:
			k.kill(ctx)
		}
		if k.rand.IntN(2) == 0 {
			k.cutConnection()
		}
	}
}

// mend waits until every victim is back.
func (k *killer) mend() { k.heal.Wait() }

// victim draws who is struck. Tiers are drawn first: there are many hosts.
func (k *killer) victim() string {
	tiers := []string{"scheduler", "scheduler", "aggregator", "access", "agent", "executor", "etcd", "issuer"}
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		tier := tiers[k.rand.IntN(len(tiers))]
		up := slices.DeleteFunc(k.c.Processes(), func(name string) bool {
			return !strings.HasPrefix(name, tier) || k.down[name]
		})
		if len(up) > 0 {
			name := up[k.rand.IntN(len(up))]
			k.down[name] = true
			return name
		}
	}
}

func (k *killer) back(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.down, name)
}

// some draws how long a victim is left alone.
func (k *killer) some(name string) time.Duration {
	least := time.Duration(0)
	switch {
	case k.rand.IntN(3) == 0:
		return 0
	case strings.HasPrefix(name, "scheduler"):
		least = takeOver
	}
	return least + time.Duration(k.rand.Int64N(int64(mostDown-least)))
}

func (k *killer) kill(ctx context.Context) {
	name := k.victim()
	down := k.some(name)
	k.c.Kill9(k.t, name)
	k.kills++
	k.heal.Go(func() {
		defer k.back(name)
		lifecycle.Pause(ctx, down)
		// What it needs may be down as well: it is started until it serves.
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), recovery)
		defer cancel()
		for err := k.c.Cluster.Cluster.Restart(patience, name); err != nil; err = k.c.Cluster.Cluster.Restart(patience, name) {
			if patience.Err() != nil {
				k.t.Errorf("%s was killed and does not come back: %v", name, err)
				return
			}
		}
	})
}

func (k *killer) freeze(ctx context.Context) {
	name := k.victim()
	down := k.some(name) + leastPause
	k.c.Pause(k.t, name)
	k.stops++
	k.heal.Go(func() {
		defer k.back(name)
		lifecycle.Pause(ctx, down)
		if err := k.c.Cluster.Cluster.Resume(context.WithoutCancel(ctx), name); err != nil {
			k.t.Errorf("%s was frozen and does not go on: %v", name, err)
		}
	})
}

// killEndProcess kills one that runs a command, if there is any.
func (k *killer) killEndProcess() {
	found := rig.Processes(k.t, "ccs-endprocess", k.c.Dir())
	if len(found) == 0 {
		return
	}
	p := found[k.rand.IntN(len(found))]
	of, ok := taskOf(strings.Join(p.Args, " "))
	if !ok || p.Args[0] != "ccs-endprocess" {
		return
	}
	k.ended[of] = true // it may have ended by itself meanwhile: then nothing is excused that happens
	if unix.Kill(p.PID, unix.SIGKILL) == nil {
		k.kills++
	}
}

// cutConnection shuts one TCP connection of one process, as if a box between
// had forgotten it.
func (k *killer) cutConnection() {
	name := k.byName[k.rand.IntN(len(k.byName))]
	found := rig.Processes(k.t, filepath.Join(k.c.Dir(), "etc", name+".yaml"))
	if len(found) != 1 {
		return // it is down
	}
	if rig.CutOne(k.t, found[0].PID, k.rand) {
		k.cut++
	}
}
