package cctest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
)

func TestAHostThatWasAwayGetsItsTaskWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Away: []string{"h3"}})
		c.Detached("h3")
		job := c.Run(everywhere(uptime()))
		for _, h := range []string{"h1", "h2", "h4"} {
			c.Task(job, h, "SUCCEEDED")
		}
		c.Advance(10 * time.Minute)
		if task := c.Task(job, "h3", "PENDING", "DISPATCHED"); !task.Unreachable {
			t.Errorf("nothing says that h3 is away: %+v", task)
		}
		c.Host("h3").Back()
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestAHostThatComesBackTooLateHasNotStartedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Away: []string{"h3"}})
		c.Detached("h3")
		request := everywhere(uptime())
		request.TTL, request.Deadline = 10*time.Minute, 20*time.Minute
		job := c.Run(request)
		c.Task(job, "h1", "SUCCEEDED")
		c.Advance(11 * time.Minute)
		c.Host("h3").Back()
		job = c.SettlesWithin(job, 30*time.Minute)
		want := all(c.Hosts(), "SUCCEEDED")
		want["h3"] = "EXPIRED start_by_passed"
		wantOutcomes(t, c, job, want)
		if n := c.Host("h3").Starts(); n != 0 {
			t.Errorf("h3 started it %d times", n)
		}
	})
}

func TestTheOtherSchedulerFinishesAJobWhoseOwnerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 20 * time.Second})
		}
		c.Host("h2").Away()
		c.Detached("h2")
		// Several jobs, so that both schedulers own some.
		jobs := []string{}
		for range 6 {
			job := c.Run(everywhere(uptime()))
			c.Task(job, "h1", "RUNNING")
			jobs = append(jobs, job.ID)
		}
		c.Crash("scheduler-standard-1")
		c.Host("h2").Back()
		for _, id := range jobs {
			job := c.Job(id)
			wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
		}
		c.Restart("scheduler-standard-1")
		c.Crash("scheduler-standard-2")
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestHostsOfALostAggregatorMoveToTheRoomsOtherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 4})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 30 * time.Second})
		}
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h1", "RUNNING")
		c.Crash("aggregator-bj01-1")
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
		for _, h := range c.Hosts() {
			if via := c.Via(h); !strings.HasPrefix(via, "aggregator-") || via == "aggregator-bj01-1" {
				t.Errorf("%s is at %q", h, via)
			}
		}
	})
}

func TestHostsNoticeAnAggregatorThatFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 4})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 5 * time.Second})
		}
		c.Unplug("aggregator-bj01-1", "aggregator-sh01-2")
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
		c.Plug("aggregator-bj01-1", "aggregator-sh01-2")
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestASchedulerThatWasCutOffFromAllLosesItsShardsAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Minute})
		}
		var jobs []string
		for range 4 {
			jobs = append(jobs, c.Run(everywhere(uptime())).ID)
		}
		c.Unplug("scheduler-standard-1")
		c.LeaseLost("scheduler-standard-1")
		c.Advance(2 * time.Minute)
		c.Plug("scheduler-standard-1")
		for _, id := range jobs {
			wantOutcomes(t, c, c.Settles(c.Job(id)), all(c.Hosts(), "SUCCEEDED"))
		}
	})
}

func TestARoomWhoseAggregatorsAllRestartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 10 * time.Second, Stdout: []byte(strings.Repeat(h, 10_000))})
		}
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h2", "RUNNING")
		c.Crash("aggregator-bj01-1", "aggregator-bj01-2")
		second := c.Run(everywhere(uptime())) // while the room is cut off
		c.Advance(20 * time.Second)           // the commands end meanwhile
		c.Restart("aggregator-bj01-1", "aggregator-bj01-2")
		for _, job := range []string{job.ID, second.ID} {
			wantOutcomes(t, c, c.Settles(c.Job(job)), all(c.Hosts(), "SUCCEEDED"))
		}
		for _, task := range c.Tasks(job) {
			if got := string(c.Output(job, task.Stdout)); got != strings.Repeat(task.Host, 10_000) {
				t.Errorf("%s wrote %d bytes, %d came that are not the same", task.Host, 10_000*len(task.Host), len(got))
			}
		}
	})
}

func TestEverythingMayRestartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: 15 * time.Second})
		}
		request := everywhere(uptime())
		request.Concurrency.Count = 4 // some run, some are not released
		job := c.Run(request)
		c.Task(job, "h1", "RUNNING")
		c.Crash(c.Processes()...)
		c.Advance(5 * time.Second)
		c.Restart(c.Processes()...)
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestACommandRunsOnWhileItsAgentIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: time.Minute, Stdout: []byte("done"), ExitCode: 7})
		job := c.Run(uptime("h1"))
		c.Task(job, "h1", "RUNNING")
		c.Crash("agent-h1")
		c.Advance(90 * time.Second)
		c.Restart("agent-h1")
		c.Settles(job)
		if task := c.Task(job, "h1", "FAILED"); task.ExitCode != 7 || string(c.Output(job, task.Stdout)) != "done" {
			t.Errorf("the task is %+v", task)
		}
	})
}

func TestAJobGoesOnWithoutEtcd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.EtcdAway()
		c.Advance(30 * time.Second) // all leases have run out
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
		c.EtcdBack()
		wantOutcomes(t, c, c.Settles(c.Run(everywhere(uptime()))), all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestACommitWhoseFateIsNotKnownLosesAndDoublesNothing(t *testing.T) {
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied=%v", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cctest.Start(t, cctest.Shape{})
				for _, h := range c.Hosts() {
					c.Host(h).Behaves(cctest.Doing{Takes: time.Second, Stdout: []byte(h)})
				}
				c.CommitFails(applied) // that of the acceptance
				job := c.Run(everywhere(uptime()))
				c.Task(job, "h1", "RUNNING")
				c.CommitFails(applied) // that of the results
				wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
				for _, task := range c.Tasks(job) {
					if got := string(c.Output(job, task.Stdout)); got != task.Host {
						t.Errorf("%s wrote its name, and %q came", task.Host, got)
					}
				}
			})
		})
	}
}

func TestAWatchGoesOnAtTheOtherAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for i, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Duration(1+5*i) * time.Second})
		}
		job := c.Run(everywhere(uptime()))
		seen := map[string]int{}
		for update, err := range c.Client().Watch(t.Context(), job.ID, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range update.Tasks {
				if task.Settled() {
					seen[task.Host]++
				}
			}
			if len(seen) == 2 && seen["h1"] == 1 {
				seen["h1"]++
				c.Crash(c.AccessInUse())
			}
		}
		seen["h1"]--
		for _, h := range c.Hosts() {
			if seen[h] != 1 {
				t.Errorf("the outcome of %s was streamed %d times", h, seen[h])
			}
		}
	})
}
