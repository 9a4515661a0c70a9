package cctest_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// underWay is a job two of whose commands run at a time, each for so long.
func underWay(t *testing.T, c *cctest.Cluster, each time.Duration) client.Job {
	t.Helper()
	for _, h := range c.Hosts() {
		c.Host(h).Behaves(cctest.Doing{Takes: each, Stdout: []byte(h)})
	}
	j := c.Run(rolled(func(r *client.Request) { r.Concurrency = client.Amount{Count: 2} }))
	c.Task(j, "h1", "RUNNING")
	return j
}

// started is how many commands have begun, by the word of all witnesses.
func started(c *cctest.Cluster) (n int) {
	for _, h := range c.Hosts() {
		n += c.Host(h).Starts()
	}
	return n
}

func TestWhileEtcdIsAwayForTwoMinutesOwnersGoOnAndJobsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		before := underWay(t, c, 50*time.Second)
		c.EtcdAway()
		var taken []client.Job
		for range 6 {
			c.Advance(20 * time.Second)
			taken = append(taken, c.Run(everywhere(uptime())))
		}
		if n := started(c); n <= 4 {
			t.Errorf("only %d commands have begun meanwhile", n)
		}
		c.EtcdBack()
		for _, j := range append(taken, before) {
			wantOutcomes(t, c, c.Settles(j), all(c.Hosts(), "SUCCEEDED"))
		}
		c.Advance(10 * time.Second)
		c.Crash("scheduler-standard-1") // and take-over works as ever
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
	})
}

// storeIsAway checks what is so without the store, after a while: what was
// released runs on and ends, nothing else begins, and no job is taken.
func storeIsAway(t *testing.T, c *cctest.Cluster, begun int) {
	t.Helper()
	_, err := c.Try(everywhere(uptime()))
	if client.CodeOf(err) != client.Unavailable || !strings.Contains(err.Error(), "no job is taken as long as that is so") {
		t.Errorf("a submission is answered %v", err)
	}
	c.Advance(30 * time.Second)
	if n := started(c); n != begun {
		t.Errorf("without the store %d commands have begun, want the %d that were released", n, begun)
	}
}

func TestWhileTheStoreIsAwayForAMinuteHostsGoOnAndResultsWaitThere(t *testing.T) {
	for name, etcd := range map[string]bool{"the store alone": false, "and etcd": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
				j := underWay(t, c, 20*time.Second)
				c.StoreAway()
				if etcd {
					c.EtcdAway()
				}
				storeIsAway(t, c, 2) // both have ended since, and nobody has forgotten that
				c.StoreBack()
				c.EtcdBack()
				j = c.Settles(j)
				wantOutcomes(t, c, j, all(c.Hosts(), "SUCCEEDED"))
				if most := c.MostAtOnce(j); most != 2 {
					t.Errorf("%d ran at once", most)
				}
				for _, task := range c.Tasks(j) {
					if got := string(c.Output(j, task.Stdout)); got != task.Host {
						t.Errorf("%s wrote its name, and %q came", task.Host, got)
					}
				}
				wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
			})
		})
	}
}

func TestInARoomThatIsCutOffForThreeMinutesAcceptedWorkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := six(t, 2*time.Minute) // h1 to h3 in bj01, h4 to h6 in sh01
		j := c.Run(everywhere(uptime()))
		for _, h := range c.Hosts() {
			c.Task(j, h, "RUNNING")
		}
		c.RoomCutOff("sh01")
		c.Advance(time.Minute)
		other := c.Run(uptime("h1", "h2", "h3"))
		c.Advance(2 * time.Minute)
		for _, h := range []string{"h1", "h2", "h3"} {
			c.Task(j, h, "SUCCEEDED")
		}
		for _, h := range []string{"h4", "h5", "h6"} {
			if task := c.Task(j, h, "RUNNING"); !task.Unreachable {
				t.Errorf("nothing says that %s cannot be reached: %+v", h, task)
			}
		}
		c.RoomBack("sh01")
		back := time.Now()
		j = c.Settles(j)
		wantOutcomes(t, c, j, all(c.Hosts(), "SUCCEEDED"))
		if took := time.Since(back); took > 10*time.Second {
			t.Errorf("the outcomes of the room came %v after it was back", took)
		}
		for _, task := range c.Tasks(j) {
			if task.EndedAt.After(back) {
				t.Errorf("%s ended at %s, when the room was back: it has not gone on", task.Host, task.EndedAt)
			}
		}
		wantOutcomes(t, c, c.Settles(other), all([]string{"h1", "h2", "h3"}, "SUCCEEDED"))
	})
}

func TestWhenEtcdIsRestoredFromAnOlderSnapshotThereIsAnAlarmAndNothingIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		j := underWay(t, c, time.Minute)
		c.EtcdRestored()
		c.Advance(time.Minute)
		readers := c.Alarms("went back")
		for _, name := range c.Processes() {
			if reads := strings.HasPrefix(name, "scheduler") || strings.HasPrefix(name, "access"); reads && !slices.Contains(readers, name) {
				t.Errorf("%s has raised no alarm; %v have", name, readers)
			}
		}
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
		wantOutcomes(t, c, c.Settles(j), all(c.Hosts(), "SUCCEEDED"))
		c.Advance(10 * time.Minute)
		if more := c.Alarms("went back"); len(more) != 0 {
			t.Errorf("there are alarms again and again: %v", more)
		}

		// The operator has looked, and says so by restarting them, one by one.
		for _, name := range c.Processes() {
			if !strings.HasPrefix(name, "agent") {
				c.Restart(name)
			}
		}
		c.Attached(c.Hosts()...)
		j = underWay(t, c, 10*time.Second)
		c.Crash("scheduler-standard-1")
		wantOutcomes(t, c, c.Settles(j), all(c.Hosts(), "SUCCEEDED"))
		c.Restart("scheduler-standard-1")
		if more := c.Alarms("went back"); len(more) != 0 {
			t.Errorf("after their restart %v raise the alarm", more)
		}
	})
}

func TestAfterARestoreOfTheStoreUnderRunningSchedulersEverythingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		j := underWay(t, c, 3*time.Minute)
		restore := c.Backup()
		c.Host("h6").Wipe() // it comes again as another, and its row says so
		c.Advance(30 * time.Second)
		c.Host("h6").Behaves(cctest.Doing{})
		wantOutcomes(t, c, c.Settles(c.Run(uptime("h6"))), all([]string{"h6"}, "SUCCEEDED"))
		restore()
		c.Advance(40 * time.Second) // who has nothing to write has learned of it

		// The restored row is that of the host before, and is put right.
		wantOutcomes(t, c, c.Settles(c.Run(uptime("h6"))), all([]string{"h6"}, "SUCCEEDED"))
		want := all(c.Hosts(), "SUCCEEDED")
		want["h6"] = "SKIPPED new_incarnation"
		j = c.SettlesWithin(j, time.Hour)
		wantOutcomes(t, c, j, want)
		if most := c.MostAtOnce(j); most != 2 {
			t.Errorf("%d ran at once", most)
		}
		c.Crash("scheduler-standard-1")
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{})
		}
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
	})
}
