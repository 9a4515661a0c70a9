package cctest_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// workload is what must end right whatever becomes of pushes: a rollout in batches
// to a pause point, which is resumed, while one host comes and goes; and a job that
// is canceled while it runs.
func workload(t *testing.T, c *cctest.Cluster) {
	t.Helper()
	c.Patience(6 * time.Hour)
	began := time.Now()
	for _, h := range c.Hosts() {
		c.Host(h).Behaves(cctest.Doing{Takes: 2 * time.Second, Stdout: []byte(h)})
	}
	rollout := c.Run(rolled(func(r *client.Request) {
		r.Batches, r.PauseAfter = []client.Amount{{Count: 1}, {Count: 2}, {Percent: 50}}, []uint32{3}
	}))
	rollout = c.Paused(rollout, "point")
	wantStarts(t, c, 3)
	c.Host("h6").Away()
	c.Advance(time.Minute)
	wantStarts(t, c, 3)
	c.Host("h6").Back()
	c.Resume(rollout, client.Resume{ToNextPoint: true})
	rollout = c.SettlesWithin(rollout, 6*time.Hour)
	wantOutcomes(t, c, rollout, all(c.Hosts(), "SUCCEEDED"))
	inBatches(t, c, rollout, 1, 2, 3)

	for _, h := range c.Hosts() {
		c.Host(h).Behaves(cctest.Doing{Takes: -1})
	}
	endless := c.Run(everywhere(uptime()))
	c.Task(endless, "h1", "ACCEPTED", "STARTING", "RUNNING")
	c.Cancel(endless)
	wantEnds(t, c, c.SettlesWithin(endless, 6*time.Hour))
	wantForgotten(t, c)
	t.Logf("all ended after %v", time.Since(began).Round(time.Second))
}

// wantEnds checks that of a job that was canceled nothing runs, and that every
// host has said so itself, or never had it.
func wantEnds(t *testing.T, c *cctest.Cluster, j client.Job) {
	t.Helper()
	for _, task := range c.Tasks(j) {
		if task.State != "CANCELED" && task.State != "SKIPPED" {
			t.Errorf("%s ended %s %s", task.Host, task.State, task.Reason)
		}
	}
}

// wantForgotten waits until no host keeps anything.
func wantForgotten(t *testing.T, c *cctest.Cluster) {
	t.Helper()
	give := time.Now().Add(6 * time.Hour)
	for {
		var kept int64
		for _, h := range c.Hosts() {
			kept += c.Told("agent-" + h).Value(obs.ReportsUnforgotten)
		}
		if kept == 0 {
			return
		}
		if time.Now().After(give) {
			t.Fatalf("hosts still keep %d reports", kept)
		}
		c.Advance(10 * time.Second)
	}
}

// often is two of three, in no order that could fall in step with who says it again.
func often(seed uint64) func(int) bool {
	dice := rand.New(rand.NewPCG(seed, 0))
	return func(int) bool { return dice.IntN(3) != 0 }
}

func pushes() []cctest.Push {
	return []cctest.Push{
		cctest.EarlyReply, cctest.Command, cctest.Stop, cctest.Forget, cctest.HostReport,
		cctest.Dispatch, cctest.Wish, cctest.Query, cctest.RoomReport, cctest.Return, cctest.Announcement, cctest.Change,
	}
}

func TestOfAnyPushMostMayBeLostAndAllEndsRightOnlyLater(t *testing.T) {
	for seed, push := range pushes() {
		t.Run(string(push), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3, Told: true})
				c.Meddle(push, cctest.Meddling{Lose: often(uint64(seed))})
				workload(t, c)
			})
		})
	}
}

func TestWhateverBecomesOfAllPushesAtOnceAllEndsRightOnlyLater(t *testing.T) {
	for name, how := range map[string]cctest.Meddling{
		"one of four is lost": {Lose: func(nth int) bool { return nth%4 == 0 }},
		"all are delayed":     {Delay: 2 * time.Second},
		"all come twice":      {Twice: true},
		"all of it":           {Lose: func(nth int) bool { return nth%5 == 0 }, Delay: time.Second, Twice: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3, Told: true})
				for _, push := range pushes() {
					c.Meddle(push, how)
				}
				workload(t, c)
			})
		})
	}
}

func TestWithPushSwitchedOffEverythingWorksAtThePaceOfHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3, Told: true, NoPush: true})
		c.Meddle(cctest.EarlyReply, cctest.Meddling{}) // counts
		workload(t, c)
		began := time.Now()
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{})
		}
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
		if took := time.Since(began); took < time.Second || took > 15*time.Second {
			t.Errorf("a job took %v, with heartbeats every 10 s", took)
		}
		if n := c.Pushes(cctest.EarlyReply); n != 0 {
			t.Errorf("%d replies went out before a heartbeat", n)
		}
	})
}
