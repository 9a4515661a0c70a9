package output

import (
	"context"
	"slices"
	"strconv"
	"strings"
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
	var alone, slow, quick []time.Duration
	for range 3 {
		_, task := c.runs(t, rig.Sh("head -c 1G /dev/zero"))
		alone = append(alone, task.EndedAt.Sub(task.StartedAt))
		slow = append(slow, c.gigabyte(t, func(id string) { c.Settled(t, id) }))
		quick = append(quick, c.gigabyte(t, nil))
	}
	a, s, q := slices.Min(alone), slices.Min(slow), slices.Min(quick)
	t.Logf("1 GiB: alone %v; with a viewer who reads nothing meanwhile %v, %.2f times; with one who takes all that comes %v, %.2f times",
		a, s, s.Seconds()/a.Seconds(), q, q.Seconds()/a.Seconds())
	if s > slowest*a || q > slowest*a {
		t.Errorf("alone it took %v, with viewers %v and %v", alone, slow, quick)
	}
}

// gigabyte is how long a gigabyte takes with a viewer, who does something else
// after the first bytes, unless it is nil.
func (c cluster) gigabyte(t *testing.T, meanwhile func(id string)) time.Duration {
	t.Helper()
	key := rig.NewWitness(t)
	job := c.Run(t, client.Request{Command: rig.Sh("echo begin; while [ ! -s " + key.Path + " ]; do sleep 0.05; done; date +%s%N >&2; head -c 1G /dev/zero")})
	var host string
	for host = range c.Tasks(t, job.ID) {
	}
	seen, gaps := c.view(t.Context(), t, job.ID, host, func() {
		key.Write(t, "open")
		if meanwhile != nil {
			meanwhile(job.ID)
		}
	})
	task := c.Settled(t, job.ID)[host]
	if want := uint64(1<<30 + len("begin\n")); seen+gaps != want || task.Stdout.Size+task.Stdout.Cut != want {
		t.Errorf("%d bytes were seen and %d missed, %+v", seen, gaps, task.Stdout)
	}
	began, err := strconv.ParseInt(strings.TrimSpace(string(c.Output(t, job.ID, task.Stderr))), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return task.EndedAt.Sub(time.Unix(0, began))
}

// view follows to the end, and returns how much came and how much did not. When
// something has come first is called; nil: nothing is.
func (c cluster) view(ctx context.Context, t *testing.T, id, host string, first func()) (seen, gaps uint64) {
	t.Helper()
	for p, err := range c.SDK.Follow(ctx, id, host, client.FollowQuery{}) {
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("after %d bytes: %v", seen, err)
			}
			return seen, gaps
		}
		if seen == 0 && len(p.Content) > 0 && first != nil {
			first()
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
	viewing.Go(func() { seen, _ = c.view(ctx, t, job.ID, host, nil) })
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
