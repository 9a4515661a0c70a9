package cctest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

// verdicts is what the SDK says of the signature on each result of a job.
func verdicts(t *testing.T, c *cctest.Cluster, j client.Job) map[string]string {
	t.Helper()
	out := map[string]string{}
	for task, err := range c.Client().Results(t.Context(), j.ID) {
		if err != nil {
			t.Errorf("the results end after %d: %v", len(out), err)
			return out
		}
		said := "signed"
		if err := c.Client().Verify(t.Context(), j.ID, task); err != nil {
			said = client.CodeOf(err).String()
		}
		out[task.Host] = task.State + " " + said
	}
	return out
}

func want(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for host := range want {
		if got[host] != want[host] {
			t.Errorf("%s: %s is %q, want %q", what, host, got[host], want[host])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestTheSDKVerifiesWhateverAHostMaySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		c.Host("h1").Behaves(cctest.Doing{Stdout: []byte("out"), Takes: time.Second})
		c.Host("h2").Behaves(cctest.Doing{ExitCode: 3, Stderr: []byte("err")})
		c.Host("h3").Behaves(cctest.Doing{NoFile: true})
		c.Host("h4").Behaves(cctest.Doing{Takes: time.Hour})
		request := everywhere(uptime())
		request.Command.Timeout = time.Minute
		want(t, "a command", verdicts(t, c, c.Run(request)), map[string]string{
			"h1": "SUCCEEDED signed", "h2": "FAILED signed", "h3": "START_FAILED signed", "h4": "TIMED_OUT signed",
			"h5": "SUCCEEDED signed", "h6": "SUCCEEDED signed",
		})
		want(t, "a ping", verdicts(t, c, c.Run(client.Request{All: true, Command: client.Command{Ping: true}})), all(c.Hosts(), "SUCCEEDED signed"))
	})
}

func TestTheSDKTellsWhatNoHostHasSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Away: []string{"h2"}})
		c.Detached("h2")
		for _, h := range []string{"h1", "h3"} {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Hour})
		}
		request := everywhere(uptime())
		request.Concurrency = client.Amount{Count: 2}
		job := c.Run(request)
		c.Task(job, "h1", "RUNNING")
		c.Task(job, "h3", "RUNNING")
		c.Host("h1").Wipe()
		c.Task(job, "h1", "LOST")
		c.Cancel(job)
		got := verdicts(t, c, job)
		delete(got, "h4") // released in the place of h1, or canceled before
		want(t, "a canceled job", got, map[string]string{
			"h1": "LOST not signed", "h2": "SKIPPED not signed", "h3": "CANCELED signed",
		})
	})
}

func TestAResultStaysVerifiableAfterItsHostWasWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		job := c.Settles(c.Run(uptime("h1")))
		before := c.Tasks(job)[0].Incarnation
		c.Host("h1").Wipe()
		c.Attached("h1")
		next := c.Settles(c.Run(uptime("h1")))
		if now := c.Tasks(next)[0].Incarnation; now == before || len(now) != 32 {
			t.Errorf("the incarnation was %s and is %s", before, now)
		}
		want(t, "before", verdicts(t, c, job), map[string]string{"h1": "SUCCEEDED signed"})
		want(t, "after", verdicts(t, c, next), map[string]string{"h1": "SUCCEEDED signed"})
	})
}

func TestResultsComeThroughTheLossOfAReplicaAndOfAScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		for i, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Duration(10+5*i) * time.Second})
		}
		job := c.Run(everywhere(uptime()))
		got := make(chan map[string]string)
		go func() { got <- verdicts(t, c, job) }()
		c.Task(job, "h1", "SUCCEEDED")
		c.Crash(c.AccessInUse())
		c.Task(job, "h2", "SUCCEEDED")
		c.Crash("scheduler-standard-1")
		want(t, "results", <-got, all(c.Hosts(), "SUCCEEDED signed"))
	})
}

func TestAWatchIsTakenUpByAnotherProgramWhereTheFirstWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 4})
		for i, h := range c.Hosts() {
			c.Host(h).Behaves(cctest.Doing{Takes: time.Duration(i) * time.Second})
		}
		job := c.Run(everywhere(uptime()))
		seen, kept := map[string]int{}, uint64(0)
		for programs := 1; ; programs++ { // each ends when it has seen something
			var done bool
			for u, err := range c.Client().Watch(t.Context(), job.ID, kept) {
				if err != nil {
					t.Fatal(err)
				}
				for _, task := range u.Tasks {
					seen[task.Host]++
				}
				kept = max(kept, u.Revision)
				if done = u.Job.Done(); u.Revision > 0 && len(u.Tasks) > 0 {
					break
				}
			}
			if done {
				break
			}
			if programs%3 == 0 {
				lost := c.AccessInUse()
				c.Crash(lost)
				c.Advance(time.Second)
				c.Restart(lost)
			}
		}
		for _, h := range c.Hosts() {
			if seen[h] != 1 {
				t.Errorf("the outcome of %s was seen %d times", h, seen[h])
			}
		}
	})
}
