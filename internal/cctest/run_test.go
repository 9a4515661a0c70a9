package cctest_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// uptime is a job that any host can do.
func uptime(hosts ...string) client.Request {
	return client.Request{Hosts: hosts, Command: client.Command{Argv: []string{"uptime"}}}
}

func everywhere(r client.Request) client.Request {
	r.Hosts, r.All = nil, true
	return r
}

// all is the same outcome for each of these hosts.
func all(hosts []string, outcome string) map[string]string {
	out := map[string]string{}
	for _, h := range hosts {
		out[h] = outcome
	}
	return out
}

func wantOutcomes(t *testing.T, c *cctest.Cluster, j client.Job, want map[string]string) {
	t.Helper()
	if got := c.Outcomes(j); !maps.Equal(got, want) {
		t.Errorf("the outcomes of job %s are\n  %v, want\n  %v", j.ID, got, want)
	}
}

func TestAJobOnAllHostsInAllRoomsSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Rooms: []string{"bj01", "sh01", "sz01"}, HostsPerRoom: 3})
		job := c.Settles(c.Run(everywhere(uptime())))
		if job.Targets != 9 || !job.Succeeded() || job.Pool != "standard" || job.Submitter != cctest.User {
			t.Errorf("the job is %+v", job)
		}
		wantOutcomes(t, c, job, all(c.Hosts(), "SUCCEEDED"))
	})
}

func TestAJobOfACriticalClassIsDoneByItsOwnPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Crash("scheduler-standard-1", "scheduler-standard-2")
		request := uptime("h1", "h3")
		request.Class = "critical"
		job := c.Settles(c.Run(request))
		if job.Pool != "critical" || !job.Succeeded() {
			t.Errorf("the job is %+v", job)
		}
	})
}

func TestASelectorChoosesHostsByRoomAndLabel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		job := c.Settles(c.Run(client.Request{Selector: "room=sh01,app=web", Command: client.Command{Argv: []string{"true"}}}))
		wantOutcomes(t, c, job, all([]string{"h4"}, "SUCCEEDED"))
		job = c.Settles(c.Run(client.Request{Hosts: []string{"10.1.0.1", "h5"}, Command: client.Command{Argv: []string{"true"}}}))
		wantOutcomes(t, c, job, all([]string{"h1", "h5"}, "SUCCEEDED"))
	})
}

func TestEqualOutputsAreKeptOnceAndEveryByteIsWhatTheProcessWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		same, other := []byte("all \x00 well \xff\n"), []byte("no newline at the end")
		big := bytes.Repeat([]byte("0123456789abcde\n"), 20_000) // 320 kB: far more than rides in a report
		for _, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Stdout: same})
		}
		c.Host("h2").Behaves(cctest.Doing{Stdout: other, Stderr: same})
		c.Host("h5").Behaves(cctest.Doing{Stdout: big, Stderr: big[1:]})
		job := c.Settles(c.Run(everywhere(uptime())))

		groups := map[string][]string{}
		for _, task := range c.Tasks(job) {
			stdout, stderr := c.Output(job, task.Stdout), c.Output(job, task.Stderr)
			want := c.Host(task.Host).Doing()
			if !bytes.Equal(stdout, want.Stdout) || !bytes.Equal(stderr, want.Stderr) {
				t.Errorf("%s wrote %d and %d bytes, %d and %d came that are not the same",
					task.Host, len(want.Stdout), len(want.Stderr), len(stdout), len(stderr))
			}
			groups[task.Stdout.Digest] = append(groups[task.Stdout.Digest], task.Host)
		}
		got := slices.SortedFunc(maps.Values(groups), slices.Compare)
		if want := "[[h1 h3 h4 h6] [h2] [h5]]"; fmt.Sprint(got) != want {
			t.Errorf("hosts grouped by output are %v, want %s", got, want)
		}
	})
}

func TestAnExitStatusAndAMissingProgramAreToldAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{ExitCode: 42})
		c.Host("h2").Behaves(cctest.Doing{NoFile: true})
		c.Host("h3").Behaves(cctest.Doing{Takes: time.Hour})
		request := everywhere(uptime())
		request.Command.Timeout = time.Minute
		job := c.Settles(c.Run(request))
		wantOutcomes(t, c, job, map[string]string{
			"h1": "FAILED", "h2": "START_FAILED no_file", "h3": "TIMED_OUT timeout", "h4": "SUCCEEDED",
		})
		if task := c.Task(job, "h1", "FAILED"); task.ExitCode != 42 || task.Signal != 0 {
			t.Errorf("h1 says %+v", task)
		}
	})
}

func TestAPingNeedsNoProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		began := time.Now()
		job := c.Settles(c.Run(client.Request{All: true, Command: client.Command{Ping: true}}))
		wantOutcomes(t, c, job, all(c.Hosts(), "SUCCEEDED"))
		for _, h := range c.Hosts() {
			if n := c.Host(h).Starts(); n != 0 {
				t.Errorf("%s started %d processes for a ping", h, n)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the ping took %s: it waited for something", took)
		}
	})
}

func TestNoMoreRunAtOnceThanTheConcurrencyAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 6})
		for i, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Duration(1+i%4) * time.Second})
		}
		request := everywhere(uptime())
		request.Concurrency = client.Amount{Count: 3}
		job := c.Run(request)
		c.Advance(2500 * time.Millisecond)
		c.Crash("scheduler-standard-1") // whoever owns it: the limit holds through a take-over
		job = c.Settles(job)
		wantOutcomes(t, c, job, all(c.Hosts(), "SUCCEEDED"))
		if most := c.MostAtOnce(job); most != 3 {
			t.Errorf("%d ran at once, and 3 should", most)
		}
	})
}

func TestAJobWaitsWhileTheSchedulersCannotReachTheRoomsAndGoesOnAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		for _, room := range []string{"bj01", "sh01"} {
			for _, n := range []string{"-1", "-2"} {
				c.Cut("scheduler-standard-1", "aggregator-"+room+n)
				c.Cut("scheduler-standard-2", "aggregator-"+room+n)
			}
		}
		job := c.Run(everywhere(uptime()))
		c.Advance(20 * time.Second)
		for host, outcome := range c.Outcomes(job) {
			if outcome != "PENDING" && outcome != "DISPATCHED" {
				t.Errorf("without any way down the task of %s is %s", host, outcome)
			}
		}
		for _, room := range []string{"bj01", "sh01"} {
			for _, n := range []string{"-1", "-2"} {
				c.Mend("scheduler-standard-1", "aggregator-"+room+n)
				c.Mend("scheduler-standard-2", "aggregator-"+room+n)
			}
		}
		wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "SUCCEEDED"))
	})
}
