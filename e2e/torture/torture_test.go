// Package torture lets a random killer loose on a whole cluster that works: it
// kills and freezes any process but the store, and cuts connections, while jobs
// with batches, pause points and failure budgets run. What happened on the hosts
// is read in files outside CCS, and must be what CCS says of it.
package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
)

const (
	hosts     = 20
	operators = 6 // who run one job after the other
	// recovery is how long it may take after the last blow until every job has ended.
	recovery = 90 * time.Second
)

// order is what is asked of a run.
type order struct {
	duration time.Duration
	seed     uint64
	store    string
}

// ordered reads DURATION, SEED and STORE.
func ordered(t *testing.T) order {
	t.Helper()
	o := order{duration: time.Minute, seed: uint64(time.Now().UnixNano() % 1e6), store: "sqlite"}
	var err error
	if text := os.Getenv("DURATION"); text != "" {
		if o.duration, err = time.ParseDuration(text); err != nil || o.duration < 10*time.Second {
			t.Fatalf("DURATION is %q: give at least 10s, such as 3m (%v)", text, err)
		}
	}
	if text := os.Getenv("SEED"); text != "" {
		if o.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED is %q: give a number (%v)", text, err)
		}
	}
	if text := os.Getenv("STORE"); text != "" {
		o.store = text
	}
	return o
}

func TestNothingIsLostOrRunTwiceUnderARandomKiller(t *testing.T) {
	o := ordered(t)
	t.Logf("torture for %v on %s with SEED=%d", o.duration, o.store, o.seed)
	c := start(t, o)
	ctx, stop := context.WithTimeout(t.Context(), o.duration+recovery)
	defer stop()
	until := time.Now().Add(o.duration)

	crew := make([]*operator, operators)
	var working sync.WaitGroup
	for i := range crew {
		crew[i] = newOperator(t, c, rand.New(rand.NewPCG(o.seed, uint64(i+1))))
		working.Go(func() { crew[i].work(ctx, until) })
	}
	k := newKiller(t, c, rand.New(rand.NewPCG(o.seed, 0)))
	k.rage(ctx, until)
	k.mend()
	working.Wait()

	tally := newTally()
	for _, op := range crew {
		for _, err := range op.faults {
			t.Error(err)
		}
		for _, w := range op.done {
			for _, fault := range w.judge(k.ended, tally) {
				t.Errorf("job %s (%s): %s", w.id, w.kind, fault)
			}
		}
	}
	owners := c.takeOvers(t)
	t.Logf("%v; %d take-overs; %v", k, owners, tally)
	least(t, "kills", k.kills, floor(leastKills, 1, o.duration), o.duration)
	least(t, "finished tasks", tally.tasks, floor(leastTasks, hosts, o.duration), o.duration)
	least(t, "take-overs", owners, floor(leastOwnings, 1, o.duration), o.duration)
}

type cluster struct{ *rig.Cluster }

func start(t *testing.T, o order) cluster {
	t.Helper()
	if rig.OnPostgreSQL(t) != (o.store == "postgres") { // or STORE is neither, which it tells
		t.Fatalf("STORE is %q: give sqlite or postgres", o.store)
	}
	return cluster{rig.Start(t, devcluster.Options{Hosts: hosts, Rooms: []string{"bj01", "sh01"}, AggregatorsPerRoom: 2})}
}

// takeOvers counts how often shards went from one scheduler to another; those
// that went together count once.
func (c cluster) takeOvers(t *testing.T) int {
	t.Helper()
	moves := map[string]bool{}
	holder := map[string]string{}
	for _, o := range c.ownings(t) {
		if before := holder[o.shard]; before != "" && before != o.scheduler {
			moves[fmt.Sprint(before, o.scheduler, o.at.Truncate(5*time.Second))] = true
		}
		holder[o.shard] = o.scheduler
	}
	return len(moves)
}
