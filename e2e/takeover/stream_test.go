package takeover

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// few are the hosts of a small job.
var few = []string{"h1", "h5", "h9"}

// stream runs one small job after the other, until it is judged.
type stream struct {
	c      *rig.Cluster
	began  clock
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended

	mu     sync.Mutex // protects what follows
	jobs   []string   // that have ended
	took   time.Duration
	failed error
}

func startStream(t *testing.T, c *rig.Cluster) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &stream{c: c, began: newClock(t), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for ctx.Err() == nil && s.one(t.Context()) {
		}
	}()
	t.Cleanup(func() { cancel(); <-s.done })
	return s
}

// one runs one job to its end.
func (s *stream) one(ctx context.Context) bool {
	began := time.Now()
	j, err := s.c.SDK.Run(ctx, client.Request{Hosts: few, Command: rig.Sh(s.began.tells())})
	if err == nil {
		for u, fault := range s.c.SDK.Watch(ctx, j.ID, 0) {
			if err = fault; err == nil && u.Job.Done() {
				j = u.Job
			}
		}
	}
	if err == nil && j.Counts["SUCCEEDED"] != len(few) {
		err = fmt.Errorf("job %s ended %v", j.ID, j.Counts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs, s.took = append(s.jobs, j.ID), max(s.took, time.Since(began))
	s.failed = err
	return err == nil
}

// awaitMore waits until some more have ended.
func (s *stream) awaitMore(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.jobs)
	}
	enough := count() + n
	rig.Eventually(t, func() string {
		select {
		case <-s.done:
			return fmt.Sprintf("the stream of small jobs has ended: %v", s.failed)
		default:
		}
		if got := count(); got < enough {
			return fmt.Sprintf("%d small jobs have ended, want %d", got, enough)
		}
		return ""
	})
}

// judge ends the stream and checks that every job was run once and in time.
func (s *stream) judge(t *testing.T) {
	t.Helper()
	s.cancel()
	<-s.done
	if s.failed != nil {
		t.Errorf("a small job has noticed: %v", s.failed)
	}
	for _, id := range s.jobs {
		for host, task := range s.c.Tasks(t, id) {
			if task.Attempt != 1 || task.State != "SUCCEEDED" {
				t.Errorf("job %s ended on %s %s at attempt %d", id, host, rig.Word(task), task.Attempt)
			}
		}
	}
	if got, want := len(s.began.Lines(t)), len(few)*len(s.jobs); got != want {
		t.Errorf("%d commands have begun, want %d", got, want)
	}
	t.Logf("%d small jobs ran meanwhile; the slowest took %v", len(s.jobs), s.took.Round(time.Millisecond))
}
