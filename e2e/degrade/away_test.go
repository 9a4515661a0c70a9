// Package degrade proves that CCS degrades in order: while etcd, the job store,
// both, or a room are away jobs go on as far as they may, what cannot be done is
// refused in words, and nothing is lost. What was started is read in files outside
// CCS.
package degrade

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 6 // h1 to h3 in bj01, the others in sh01

// outages are how long each is away: long enough for every lease to end.
type outages struct{ etcd, store, both, room time.Duration }

// lengths are seconds, or with CCS_DEGRADE=full (make degrade) minutes.
func lengths(t *testing.T) outages {
	t.Helper()
	switch mode := os.Getenv("CCS_DEGRADE"); mode {
	case "":
		return outages{etcd: 4 * time.Second, store: 3 * time.Second, both: 4 * time.Second, room: 4 * time.Second}
	case "full":
		return outages{etcd: 2 * time.Minute, store: time.Minute, both: time.Minute, room: 3 * time.Minute}
	default:
		t.Fatalf("CCS_DEGRADE is %q, and may be full or empty", mode)
		return outages{}
	}
}

// cluster has proxies before etcd and before the mesh ports of its aggregators.
type cluster struct {
	*rig.Cluster
	etcd *rig.Proxy
	sh01 []*rig.Proxy
}

func start(t *testing.T) *cluster {
	t.Helper()
	proxies := rig.NewProxies(t, func(l devcluster.Listener) bool {
		return l.Tier == "etcd" || l.Tier == "aggregator" && l.Key == "listen"
	})
	c := &cluster{Cluster: rig.Start(t, devcluster.Options{
		Hosts: hosts, Through: proxies.Through,
		Settings: map[string]map[string]any{"scheduler": {"store.busy_timeout": "1s"}},
	})}
	for _, p := range proxies.All {
		switch {
		case p.Of.Tier == "etcd":
			c.etcd = p
		case strings.HasPrefix(p.Of.Process, "aggregator-sh01-"):
			c.sh01 = append(c.sh01, p)
		}
	}
	return c
}

func TestWhatIsAwayKeepsNobodyElseFromGoingOn(t *testing.T) {
	t.Parallel()
	c, away := start(t), lengths(t)
	c.AwaitWhole(t)

	slow := c.startSlow(t)
	c.etcd.Set(rig.Weather{Cut: true})
	c.during(t, away.etcd, func(n int) { c.runs(t, fmt.Sprintf("without etcd, round %d", n)) })
	c.etcd.Set(rig.Weather{})
	slow.tells(t, "etcd")
	slow.judge(t)
	c.AwaitWhole(t)

	for _, etcdToo := range []bool{false, true} {
		slow = c.startSlow(t)
		back := c.StoreAway(t)
		what, length := "the store", away.store
		if etcdToo {
			c.etcd.Set(rig.Weather{Cut: true})
			what, length = "the store with etcd", away.both
		}
		c.storeIsAway(t, slow, length)
		back()
		c.etcd.Set(rig.Weather{})
		slow.tells(t, what)
		slow.judge(t)
		c.runs(t, "when the store is back")
	}
	c.AwaitWhole(t)
	c.roomIsAway(t, away.room)
	c.runs(t, "when the room is back")
}

// during does something again and again for a time.
func (c *cluster) during(t *testing.T, d time.Duration, do func(n int)) {
	t.Helper()
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		do(n)
	}
	t.Logf("in %v it was done %d times", d, n)
}

// runs runs a job on all hosts.
func (c *cluster) runs(t *testing.T, when string) {
	t.Helper()
	w := rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Sh(w.Says("began") + "sleep 0.2")})
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	if n := len(w.Lines(t)); n != hosts {
		t.Errorf("%s %d commands have begun", when, n)
	}
}

// slow is a job one of whose commands runs at a time.
type slow struct {
	c   *cluster
	job client.Job
	rig.Witness
}

func (c *cluster) startSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{c: c, Witness: rig.NewWitness(t)}
	s.job = c.Run(t, client.Request{Command: rig.Sh(s.Says("began") + "sleep 0.7; " + s.Says("ended")), Concurrency: client.Amount{Count: 1}})
	s.Await(t, 1)
	return s
}

// tells how far it came while something was away.
func (s *slow) tells(t *testing.T, what string) {
	t.Helper()
	t.Logf("while %s was away %d of %d commands have ended", what, len(s.Lines(t))/2, hosts)
}

// judge waits for its end.
func (s *slow) judge(t *testing.T) {
	t.Helper()
	rig.WantAll(t, s.c.Settled(t, s.job.ID), hosts, "SUCCEEDED")
	lines := s.Lines(t)
	for i, word := range lines {
		if want := []string{"began", "ended"}[i%2]; word != want {
			t.Errorf("two ran at once: %v", lines)
			break
		}
	}
	if len(lines) != 2*hosts {
		t.Errorf("the witness says %v", lines)
	}
}

// storeIsAway checks what is so without the store: what was released ends on its
// host, nothing else begins, and no job is taken.
func (c *cluster) storeIsAway(t *testing.T, s *slow, length time.Duration) {
	t.Helper()
	end := time.Now().Add(length)
	rig.Eventually(t, func() string { // what had begun has ended, and nobody can say Forget
		if lines := s.Lines(t); len(lines)%2 != 0 {
			return fmt.Sprintf("the witness says %v", lines)
		}
		return ""
	})
	before := len(s.Lines(t))
	refused, give := 0, end.Add(rig.Patience)
	for time.Now().Before(end) || refused == 0 && time.Now().Before(give) {
		switch said := c.submits(t); {
		case said == nil:
			t.Error("a job was taken that cannot be durable")
		case strings.Contains(said.Error(), "the store"):
			refused++
		}
	}
	if refused == 0 {
		t.Error("nobody was told that the store is away")
	}
	if after := len(s.Lines(t)); after > before+1 { // one may have been released that had not begun
		t.Errorf("without the store %d words were said, and then %d", before, after)
	}
}

// submits tries to submit a job, and does not wait for long.
func (c *cluster) submits(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.SDK.Run(ctx, client.Request{All: true, Command: rig.Sh("true")})
	return err
}

// roomIsAway cuts the room sh01 off from all schedulers while commands run there.
func (c *cluster) roomIsAway(t *testing.T, length time.Duration) {
	t.Helper()
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Sh(w.Says("began") + "while [ ! -s " + key.Path + " ]; do sleep 0.05; done; " + w.Says("ended"))})
	w.Await(t, hosts)
	for _, p := range c.sh01 {
		p.Set(rig.Weather{Cut: true})
	}
	end := time.Now().Add(length)
	key.Write(t, "open")
	w.Await(t, 2*hosts) // they end where they run
	for _, host := range []string{"h1", "h2", "h3"} {
		c.AwaitState(t, j.ID, host, "SUCCEEDED")
	}
	for n := 0; time.Now().Before(end); n++ {
		here := c.Run(t, client.Request{Hosts: []string{"h1", "h2", "h3"}, Command: rig.Sh("sleep 0.2")})
		rig.WantAll(t, c.Settled(t, here.ID), 3, "SUCCEEDED")
	}
	for host, task := range c.Tasks(t, j.ID) {
		if there := host > "h3"; there && task.State == "SUCCEEDED" {
			t.Errorf("the outcome of %s came out of a room that is cut off", host)
		}
	}
	for _, p := range c.sh01 {
		p.Set(rig.Weather{})
	}
	back := time.Now()
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	t.Logf("the outcomes of the room came %v after it was back", time.Since(back).Round(time.Millisecond))
	if n := len(w.Lines(t)); n != 2*hosts {
		t.Errorf("%d words were said, want %d", n, 2*hosts)
	}
}
