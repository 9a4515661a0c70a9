package beating

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// Everything is killed at once but what the users' commands are: the commands
// themselves and the end-processes that look after them.
func TestAfterTheDeathOfTheWholeClusterEveryOutcomeIsKnown(t *testing.T) {
	const hosts = 6
	c := rig.Start(t, devcluster.Options{Hosts: hosts})
	over, running, meanwhile, slow := newDeeds(t), newDeeds(t), newDeeds(t), newDeeds(t)
	thatIsOver := c.Run(t, client.Request{Command: over.brief("0")})
	over.judge(t, c, thatIsOver.ID, hosts)
	thatRunsOn := c.Run(t, client.Request{Command: running.gated()})
	thatEndsMeanwhile := c.Run(t, client.Request{Command: meanwhile.gated()})
	oneByOne := c.Run(t, client.Request{Command: slow.gated(), Concurrency: client.Amount{Count: 1}})
	running.awaitBegun(t, hosts)
	meanwhile.awaitBegun(t, hosts)
	slow.letOne(t)
	slow.awaitBegun(t, 2)
	burst := submitUntilItFails(t, c)
	burst.await(t, 5)

	c.Kill9All(t, c.Processes())
	taken := burst.end()
	meanwhile.letAll(t)
	meanwhile.awaitEnded(t, hosts)
	noProcessOf(t, thatEndsMeanwhile.ID)
	if n := len(rig.Processes(t, thatRunsOn.ID)); n == 0 {
		t.Error("with the cluster what it had started has died")
	}
	c.RestartAll(t, c.Processes())

	over.judge(t, c, thatIsOver.ID, hosts)
	meanwhile.judge(t, c, thatEndsMeanwhile.ID, hosts)
	watched := follow(t, c.SDK, oneByOne.ID)
	slow.letAll(t)
	running.letAll(t)
	running.judge(t, c, thatRunsOn.ID, hosts)
	slow.judge(t, c, oneByOne.ID, hosts)
	watched.judge(t, c, oneByOne.ID)
	for _, s := range taken {
		s.deeds.judge(t, c, s.id, hosts)
	}
	c.AwaitWhole(t)
	last := newDeeds(t)
	after := c.Run(t, client.Request{Command: last.brief("0")})
	last.judge(t, c, after.ID, hosts)
}

// noProcessOf waits until neither a command of a job nor an end-process is left.
func noProcessOf(t *testing.T, jobID string) {
	t.Helper()
	rig.Eventually(t, func() string {
		if left := rig.Processes(t, jobID); len(left) > 0 {
			return fmt.Sprintf("job %s has still %v", jobID, left[0])
		}
		return ""
	})
}

// submitted is a job of which the client was told that it is durable.
type submitted struct {
	id    string
	deeds deeds
}

// burst submits one job after the other until it is ended.
type burst struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // protects what follows
	taken []submitted
}

func submitUntilItFails(t *testing.T, c *rig.Cluster) *burst {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := &burst{cancel: cancel, done: make(chan struct{})}
	prepared := make([]deeds, 200)
	for i := range prepared {
		prepared[i] = newDeeds(t)
	}
	go func() {
		defer close(b.done)
		for _, d := range prepared {
			j, err := c.SDK.Run(ctx, client.Request{All: true, Command: d.brief("0")})
			if err != nil {
				return
			}
			b.mu.Lock()
			b.taken = append(b.taken, submitted{j.ID, d})
			b.mu.Unlock()
		}
	}()
	t.Cleanup(func() { b.end() })
	return b
}

// await waits until n have been taken.
func (b *burst) await(t *testing.T, n int) {
	t.Helper()
	rig.Eventually(t, func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.taken) < n {
			return fmt.Sprintf("only %d jobs have been taken", len(b.taken))
		}
		return ""
	})
}

func (b *burst) end() []submitted {
	b.cancel()
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}
