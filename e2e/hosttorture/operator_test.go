package hosttorture

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// look is how often somebody looks after a command.
const look = 200 * time.Millisecond

// crew sees commands to their ends.
type crew struct {
	c    *rig.Cluster
	todo []*work
	pace time.Duration // between the beginnings of two

	mu    sync.Mutex
	done  []*work // guarded by mu
	fault []error // guarded by mu
}

// work returns when all is done, or the time is up.
func (cr *crew) work(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range cr.todo {
		all.Go(func() {
			err := cr.see(ctx, w)
			cr.mu.Lock()
			defer cr.mu.Unlock()
			if cr.done = append(cr.done, w); err != nil {
				cr.fault = append(cr.fault, fmt.Errorf("%s (%s on %s): %w", w.id, w.kind, w.host, err))
			}
		})
		lifecycle.Pause(ctx, cr.pace)
	}
	all.Wait()
}

// finished is how many commands are done.
func (cr *crew) finished() int {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	return len(cr.done)
}

// see submits a command, cancels it if it is to be, and waits for its end.
func (cr *crew) see(ctx context.Context, w *work) error {
	w.from = time.Now()
	j, err := cr.c.SDK.Run(ctx, client.Request{
		Hosts: []string{w.host}, Command: w.command, Deadline: 10 * time.Minute, WaitOffline: 10 * time.Minute,
	})
	if err != nil {
		return err
	}
	w.id = j.ID
	if w.cancel == "running" {
		for !w.begun() && ctx.Err() == nil && !j.Done() {
			lifecycle.Pause(ctx, look)
			if j, err = cr.c.SDK.Job(ctx, w.id); err != nil {
				return err
			}
		}
	}
	if w.cancel != "" && !j.Done() {
		if _, err := cr.c.SDK.Cancel(ctx, w.id, client.Cancel{}); err != nil && client.CodeOf(err) != client.WrongState {
			return err
		}
	}
	for !j.Done() {
		lifecycle.Pause(ctx, look)
		if j, err = cr.c.SDK.Job(ctx, w.id); err != nil {
			return err
		}
	}
	w.to = time.Now()
	for task, err := range cr.c.SDK.Tasks(ctx, w.id, client.TaskFilter{}) {
		if err != nil {
			return err
		}
		w.task = task
	}
	return nil
}

// begun reports whether the witness has seen it begin.
func (w *work) begun() bool {
	info, err := os.Stat(w.witness)
	return err == nil && info.Size() > 0
}
