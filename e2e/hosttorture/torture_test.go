package hosttorture

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	hosts = 4
	// recovery is how long it may take after the last blow until every command has ended.
	recovery = 90 * time.Second
	// fullTime is the duration for which the least figures are meant.
	fullTime       = 2 * time.Minute
	commands       = 500
	leastKills     = 120 // of agents and executors
	leastEnded     = 40  // commands whose end-process was killed
	lossesOfPower  = 2   // however short the run is
	defaultSeconds = 45
)

// ordered reads DURATION and SEED.
func ordered(t *testing.T) (duration time.Duration, seed uint64) {
	t.Helper()
	duration, seed = defaultSeconds*time.Second, uint64(time.Now().UnixNano()%1e6)
	var err error
	if text := os.Getenv("DURATION"); text != "" {
		if duration, err = time.ParseDuration(text); err != nil || duration < 10*time.Second {
			t.Fatalf("DURATION is %q: give at least 10s, such as 2m (%v)", text, err)
		}
	}
	if text := os.Getenv("SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED is %q: give a number (%v)", text, err)
		}
	}
	return duration, seed
}

func TestEachCommandEndsAsItDidWhateverDiesOnItsHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run: only root can take the power from a disk")
		return
	}
	duration, seed := ordered(t)
	t.Logf("torture of hosts for %v with SEED=%d", duration, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, r)
	cr := &crew{c: s.Cluster, todo: drawAll(t, rand.New(rand.NewPCG(seed, 1)), s.root, share(commands, duration))}
	drawn := len(cr.todo)
	cr.pace = duration * 9 / 10 / time.Duration(drawn)

	ctx, stop := context.WithTimeout(t.Context(), duration+recovery)
	defer stop()
	worked := make(chan struct{})
	go func() { defer close(worked); cr.work(ctx) }()
	k := &killer{t: t, site: s, rand: r, ended: map[string]bool{}}
	began := time.Now()
	for n := range lossesOfPower {
		k.rage(ctx, began.Add(duration/(lossesOfPower+1)*time.Duration(n+1)))
		if !t.Failed() {
			k.losePower()
		}
	}
	k.rage(ctx, began.Add(duration))
	t.Logf("%d of %d commands had ended after %v", cr.finished(), drawn, time.Since(began).Round(time.Second))
	<-worked

	by := map[string]int{}
	for _, err := range cr.fault {
		t.Error(err)
	}
	for _, w := range cr.done {
		by[w.task.State+" "+w.task.Reason]++
		for _, fault := range w.judge(k.struckAt(w)) {
			t.Errorf("%s (%s on %s): %s", w.id, w.kind, w.host, fault)
		}
	}
	t.Logf("%v; %d commands: %v", k, len(cr.done), tally(by))
	if len(cr.done) != drawn {
		t.Errorf("%d of %d commands were seen to their end", len(cr.done), drawn)
	}
	least(t, "agents and executors killed", k.agents+k.executors, share(leastKills, duration))
	least(t, "end-processes killed", len(k.ended), share(leastEnded, duration))
	s.nothingIsLeft(t)
}

// drawAll makes up all commands, each with a file for its witness.
func drawAll(t *testing.T, r *rand.Rand, root string, n int) (all []*work) {
	t.Helper()
	dir := filepath.Join(root, "witnesses")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, draw(r, path, root))
	}
	return all
}

// share is a figure of the full time for a shorter one.
func share(inFullTime int, duration time.Duration) int {
	return int(int64(inFullTime) * int64(min(duration, fullTime)) / int64(fullTime))
}

// least checks that a run was hard enough to mean something.
func least(t *testing.T, what string, got, want int) {
	t.Helper()
	if got < want {
		t.Errorf("only %d %s, want %d: the run says little", got, what, want)
	}
}

func tally(by map[string]int) (words []string) {
	for _, state := range slices.Sorted(maps.Keys(by)) {
		words = append(words, fmt.Sprint(state, " ", by[state]))
	}
	return words
}
