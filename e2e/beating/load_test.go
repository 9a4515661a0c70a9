package beating

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// round is one job of a load.
type round struct {
	jobID string
	deeds deeds
	watch *follower
}

// load runs one job after the other and follows each with a watch.
type load struct {
	sdk     *client.Client
	request client.Request
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended

	mu     sync.Mutex // protects what follows
	rounds []round    // that have ended
	failed error
}

// atMost rounds are made of a load. They are prepared: only the test's own
// goroutine can fail the test.
const atMost = 400

// startLoad starts one that lasts until it is judged. Its jobs are of deeds
// that take some seconds.
func startLoad(t *testing.T, c *rig.Cluster, r client.Request, seconds string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{sdk: c.SDK, request: r, cancel: cancel, done: make(chan struct{})}
	prepared := make([]deeds, atMost)
	for i := range prepared {
		prepared[i] = newDeeds(t)
	}
	go func() {
		defer close(l.done)
		for _, d := range prepared {
			if ctx.Err() != nil || !l.round(t.Context(), d, seconds) {
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-l.done })
	return l
}

// round runs one job to its end.
func (l *load) round(ctx context.Context, d deeds, seconds string) (ok bool) {
	r := l.request
	r.Command = d.brief(seconds)
	j, err := l.sdk.Run(ctx, r)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = err
		return false
	}
	f := newFollower()
	f.run(ctx, l.sdk, j.ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds = append(l.rounds, round{j.ID, d, f})
	return true
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rounds)
}

// awaitMore waits until more rounds have ended than so many.
func (l *load) awaitMore(t *testing.T, than int) {
	t.Helper()
	rig.Eventually(t, func() string {
		select {
		case <-l.done:
			t.Fatalf("the load has ended after %d rounds: %v", l.count(), l.failed)
		default:
		}
		if n := l.count(); n <= than {
			return fmt.Sprintf("%d rounds of the load have ended", n)
		}
		return ""
	})
}

// judge ends the load and judges each of its jobs.
func (l *load) judge(t *testing.T, c *rig.Cluster, hosts int) {
	t.Helper()
	l.cancel()
	<-l.done
	if l.failed != nil {
		t.Errorf("a job was not taken: %v", l.failed)
	}
	for _, r := range l.rounds {
		r.deeds.judge(t, c, r.jobID, hosts)
		r.watch.judge(t, c, r.jobID)
	}
	t.Logf("%d jobs of %d commands were run meanwhile", len(l.rounds), hosts)
}
