// Package fencing proves that an owner which slept, while another took over and
// went on, does no harm when it wakes: what it then tries is refused by the store,
// whether etcd tells it better or not, and it is a good member again. What was
// started is read in a file outside CCS.
package fencing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

const (
	hosts  = 6
	shards = 64 // of the pool
	pool   = "standard"
	weight = 20_000 // bytes that a signed job has at least
)

// cluster is a running one, and what commands were seen to do in it.
type cluster struct {
	*rig.Cluster
	schedulers []string // of the pool
	flight     sync.WaitGroup
}

func TestAnOwnerThatSleptAndWakesDoesNoHarm(t *testing.T) {
	c := &cluster{Cluster: rig.Start(t, devcluster.Options{Hosts: hosts}), schedulers: []string{"scheduler-standard-1", "scheduler-standard-2"}}
	sleeper := c.schedulers[0]
	staged, stopped, late := newWork(t), newWork(t), newWork(t)
	rollout := c.Submit(t, c.SignFor(t, pool, sleeper, client.Request{
		Command: staged.command(), Batches: []client.Amount{{Count: 1}, {Count: 2}, {Count: 3}},
		PauseAfter: []uint32{1}, PauseAfterBatches: []uint32{2},
	}))
	toCancel := c.Submit(t, c.SignFor(t, pool, sleeper, client.Request{Command: stopped.command(), Concurrency: client.Amount{Count: 1}}))
	heavy := client.Request{Command: late.command()}
	heavy.Command.Stdin = make([]byte, weight)
	toSubmit := c.SignFor(t, pool, sleeper, heavy)
	late.key.Write(t, "open")
	staged.began.Await(t, 1)
	stopped.began.Await(t, 1)

	// Asleep in the middle of the first batch, with things to do.
	c.Freeze(t, sleeper)
	c.aside(t, "cancel", func(ctx context.Context) error {
		_, err := c.SDK.Cancel(ctx, toCancel.ID, client.Cancel{RequestID: "cancel-of-the-test-1"})
		return err
	})
	c.AwaitUnread(t, sleeper, 1)
	c.aside(t, "submission", func(ctx context.Context) error { _, err := c.SDK.Submit(ctx, toSubmit); return err })
	c.AwaitUnread(t, sleeper, weight)
	staged.key.Write(t, "open")
	heir := c.AwaitOtherOwner(t, pool, rollout.ID, sleeper)
	c.AwaitPaused(t, rollout.ID, 1, 1)
	c.resume(t, rollout, client.Resume{RequestID: "resume-of-the-test-1", Targets: 2})
	c.AwaitPaused(t, rollout.ID, 2, 3)
	c.flight.Wait() // the heir has heard it as well
	c.canceled(t, toCancel.ID)
	rig.WantAll(t, c.Settled(t, toSubmit.ID), hosts, "SUCCEEDED")

	// It wakes, and nobody tells it what has happened but the store.
	c.Pause(t, "etcd")
	c.Resume(t, sleeper)
	rig.Eventually(t, func() string {
		if c.Metric(t, sleeper, obs.ShardsFenced) == 0 {
			return sleeper + " was never fenced"
		}
		return ""
	})
	c.barrier(t)
	c.as(t, rollout, 2, 3)
	staged.wants(t, 3)
	c.Resume(t, "etcd")
	c.AwaitWhole(t)
	if n := c.Metric(t, heir, obs.ShardsFenced); n != 0 {
		t.Errorf("who woke has taken %v shards from %s, which owned them", n, heir)
	}
	c.bothServe(t)

	// And once more, at the second point and with etcd: who sleeps is told to resume.
	sleeper = c.OwnerOf(t, pool, rollout.ID)
	c.Freeze(t, sleeper)
	c.aside(t, "resume", func(ctx context.Context) error {
		_, err := c.SDK.Resume(ctx, rollout.ID, client.Resume{RequestID: "resume-of-the-test-2", Targets: 1})
		return err
	})
	c.AwaitUnread(t, sleeper, 1)
	c.AwaitOtherOwner(t, pool, rollout.ID, sleeper)
	c.flight.Wait()
	c.AwaitPaused(t, rollout.ID, 3, 4)
	c.Resume(t, sleeper)
	c.barrier(t)
	c.bothServe(t)
	c.barrier(t)
	c.as(t, rollout, 3, 4)
	staged.wants(t, 4)

	c.resume(t, rollout, client.Resume{ToNextPoint: true})
	rig.WantAll(t, c.Settled(t, rollout.ID), hosts, "SUCCEEDED")
	staged.wants(t, hosts)
	stopped.wants(t, 1)
	late.wants(t, hosts)
	c.canceled(t, toCancel.ID)
	for _, name := range c.schedulers {
		for _, line := range c.Errors(t, name) {
			t.Errorf("%s says: %s", name, line)
		}
	}
}

// work is commands that say that they begin, and then wait for a key.
type work struct{ began, key rig.Witness }

func newWork(t *testing.T) work {
	t.Helper()
	return work{rig.NewWitness(t), rig.NewWitness(t)}
}

// command says on which host it begins: the environment of a task has its name.
func (w work) command() client.Command { return rig.Gate(w.began, w.key, "0") }

// wants checks that so many have begun.
func (w work) wants(t *testing.T, n int) {
	t.Helper()
	if lines := w.began.Lines(t); len(lines) != n {
		t.Errorf("%d commands have begun, want %d", len(lines), n)
	}
}

// aside does something that is not answered before another scheduler does.
func (c *cluster) aside(t *testing.T, what string, do func(context.Context) error) {
	t.Helper()
	c.flight.Go(func() {
		if err := do(t.Context()); err != nil {
			t.Errorf("the %s that was under way: %v", what, err)
		}
	})
}

func (c *cluster) resume(t *testing.T, job client.Job, how client.Resume) {
	t.Helper()
	if _, err := c.SDK.Resume(t.Context(), job.ID, how); err != nil {
		t.Fatal(err)
	}
}

// barrier runs a job on all hosts: what was sent to them before has arrived then.
func (c *cluster) barrier(t *testing.T) {
	t.Helper()
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
}

// as checks that a job is as it was, and does not wait for that.
func (c *cluster) as(t *testing.T, job client.Job, batch, released int) {
	t.Helper()
	now, err := c.SDK.Job(t.Context(), job.ID)
	if err != nil || now.State != "PAUSED" || now.Batch != batch || now.Released != released {
		t.Errorf("job %s is %s in batch %d with %d released (%v), want it paused in batch %d with %d",
			now.ID, now.State, now.Batch, now.Released, err, batch, released)
	}
}

// canceled checks that of a job one task ran and was stopped, and no other began.
func (c *cluster) canceled(t *testing.T, id string) {
	t.Helper()
	var words []string
	for _, task := range c.Settled(t, id) {
		words = append(words, rig.Word(task))
	}
	slices.Sort(words)
	want := append([]string{"CANCELED killed signal 15"}, slices.Repeat([]string{"SKIPPED job_canceled"}, hosts-1)...)
	if !slices.Equal(words, want) {
		t.Errorf("the tasks of the canceled job ended %v", words)
	}
}

// bothServe waits until both schedulers own shards, and together all.
func (c *cluster) bothServe(t *testing.T) {
	t.Helper()
	rig.Eventually(t, func() string {
		var sum float64
		var said []string
		for _, name := range c.schedulers {
			n := c.Metric(t, name, obs.ShardsOwned)
			said = append(said, fmt.Sprintf("%s owns %v", name, n))
			if sum += n; n == 0 {
				sum = 0
				break
			}
		}
		if sum != shards {
			return strings.Join(said, ", ")
		}
		return ""
	})
}
