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

// blow is one of the things that the killer does.
type blow func(*killer, context.Context)

// killer strikes one process after the other. Its methods are called by the
// test's goroutine alone.
type killer struct {
	t      *testing.T
	c      cluster
	rand   *rand.Rand
	byName []string // whom it may strike
	heal   sync.WaitGroup

	blows *deck[blow]
	tiers *deck[string] // where the next victim is: there are many hosts, and few schedulers
	short *deck[bool]   // whether the next victim comes back at once
	brief *deck[bool]   // the same for schedulers: a take-over needs one that does not

	mu   sync.Mutex      // protects what follows
	down map[string]bool // victims that have not been brought back

	ended             map[task]bool // whose end-process was killed
	kills, stops, cut int
}

func newKiller(t *testing.T, c cluster, r *rand.Rand) *killer {
	t.Helper()
	k := &killer{t: t, c: c, rand: r, byName: c.Processes(), down: map[string]bool{}, ended: map[task]bool{}}
	k.blows = newDeck(r, append(slices.Repeat([]blow{(*killer).kill}, 15),
		(*killer).killEndProcess, (*killer).killEndProcess, (*killer).freeze, (*killer).freeze, (*killer).freeze)...)
	// Only the pool that two schedulers serve can be taken over.
	k.tiers = newDeck(r, "scheduler", "scheduler-standard", "aggregator", "access", "agent", "executor", "etcd", "issuer")
	k.short, k.brief = newDeck(r, true, false, false), newDeck(r, true, false, false)
	return k
}

// String is what it has done.
func (k *killer) String() string {
	return fmt.Sprintf("%d killed (%d of them end-processes), %d frozen, %d connections cut", k.kills, len(k.ended), k.stops, k.cut)
}

// rage strikes until the time has come, or the test is over. When, is drawn
// beforehand: on a busy machine, where a blow itself takes its time, the next
// comes the sooner.
func (k *killer) rage(ctx context.Context, until time.Time) {
	at := time.Now()
	for !k.t.Failed() {
		at = at.Add(leastPause + time.Duration(k.rand.Int64N(int64(mostPause-leastPause))))
		if at.After(until) {
			return
		}
		lifecycle.Pause(ctx, time.Until(at))
		if ctx.Err() != nil {
			return
		}
		k.blows.deal()(k, ctx)
		if k.rand.IntN(2) == 0 {
			k.cutConnection()
		}
	}
}

// mend waits until every victim is back.
func (k *killer) mend() { k.heal.Wait() }

// victim draws who is struck.
func (k *killer) victim() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		tier := k.tiers.deal()
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
	short, least := k.short, time.Duration(0)
	if strings.HasPrefix(name, "scheduler") {
		short, least = k.brief, takeOver
	}
	if short.deal() {
		return 0
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

// killEndProcess kills one that runs a command; if there is none, something
// else. None is struck that was before: its fork might still carry its name.
func (k *killer) killEndProcess(ctx context.Context) {
	found := rig.Processes(k.t, "ccs-endprocess", k.c.Dir())
	k.rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	for _, p := range found {
		of, ok := taskOf(strings.Join(p.Args, " "))
		if ok && p.Args[0] == "ccs-endprocess" && !k.ended[of] && p.KillItself() {
			k.ended[of] = true
			k.kills++
			return
		}
	}
	k.kill(ctx)
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
