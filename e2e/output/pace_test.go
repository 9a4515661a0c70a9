package output

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// Here all of CCS shares the processors with the command, so that a viewer costs
// some of them. The bounds are far above that, and far below what waiting for a
// viewer would cost.
const (
	slowest  = 5                      // times as long, with a viewer
	slowPing = 500 * time.Millisecond // the median, with a viewer
)

func TestAViewerSlowsNeitherTheCommandNorWhatIsAskedBeside(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: 1})}
	t.Run("a gigabyte with and without a viewer", c.ratio)
	t.Run("pings beside an output", c.pings)
}

func (c cluster) ratio(t *testing.T) {
	var alone, viewed []time.Duration
	for range 3 {
		_, task := c.runs(t, rig.Sh("head -c 1G /dev/zero"))
		alone = append(alone, task.EndedAt.Sub(task.StartedAt))
		job := c.Run(t, client.Request{Command: rig.Sh("sleep 0.5; head -c 1G /dev/zero")})
		var host string
		for host = range c.Tasks(t, job.ID) {
		}
		seen, gaps := c.view(t.Context(), t, job.ID, host)
		task = c.Settled(t, job.ID)[host]
		if seen+gaps != 1<<30 || task.Stdout.Cut != 1<<30-1<<20 {
			t.Errorf("%d bytes were seen and %d missed, %+v", seen, gaps, task.Stdout)
		}
		viewed = append(viewed, task.EndedAt.Sub(task.StartedAt)-500*time.Millisecond)
		t.Logf("the viewer saw %d MiB of 1024", seen>>20)
	}
	a, v := slices.Min(alone), slices.Min(viewed)
	t.Logf("1 GiB: alone %v, with a viewer %v: %.2f times", a, v, v.Seconds()/a.Seconds())
	if v > slowest*a {
		t.Errorf("with a viewer it took %v, and alone %v", viewed, alone)
	}
}

// view follows to the end, and returns how much came and how much did not.
func (c cluster) view(ctx context.Context, t *testing.T, id, host string) (seen, gaps uint64) {
	t.Helper()
	for p, err := range c.SDK.Follow(ctx, id, host, client.FollowQuery{}) {
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("after %d bytes: %v", seen, err)
			}
			return seen, gaps
		}
		seen, gaps = seen+uint64(len(p.Content)), gaps+p.Gap
	}
	return seen, gaps
}

func (c cluster) pings(t *testing.T) {
	alone := c.ping(t)
	job := c.Run(t, client.Request{Command: client.Command{Argv: []string{"yes"}}})
	var host string
	for host = range c.Tasks(t, job.ID) {
	}
	c.AwaitState(t, job.ID, host, "RUNNING")
	ctx, leave := context.WithCancel(t.Context())
	var seen uint64
	var viewing sync.WaitGroup
	viewing.Go(func() { seen, _ = c.view(ctx, t, job.ID, host) })
	began := time.Now()
	beside := c.ping(t)
	took := time.Since(began)
	leave()
	viewing.Wait()
	if _, err := c.SDK.Cancel(t.Context(), job.ID, client.Cancel{}); err != nil {
		t.Error(err)
	}
	t.Logf("pings: alone p50 %v, most %v; beside an output of %d MiB/s p50 %v, most %v", alone[len(alone)/2], alone[len(alone)-1],
		uint64(float64(seen>>20)/took.Seconds()), beside[len(beside)/2], beside[len(beside)-1])
	if p50 := beside[len(beside)/2]; p50 > slowPing {
		t.Errorf("a ping beside an output takes %v", p50)
	}
}

// ping is how long pings take, the quickest first.
func (c cluster) ping(t *testing.T) (took []time.Duration) {
	t.Helper()
	for range 30 {
		began := time.Now()
		job := c.Run(t, client.Request{Command: client.Command{Ping: true}})
		for u, err := range c.SDK.Watch(t.Context(), job.ID, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if u.Job.Done() {
				took = append(took, time.Since(began))
			}
		}
	}
	slices.Sort(took)
	return took
}
