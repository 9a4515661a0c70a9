package executor

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// manyEnded is a state directory with commands that have ended, in memory where
// the host has such a disk: what is measured is not the disk.
func manyEnded(t *testing.T, n int) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ccs") //nolint:usetesting // in memory
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	root, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ended := spool.Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}, Ended: time.Now()}
	for i := range n {
		spec := shell("c"+strconv.Itoa(i), "true").Spec
		spec.Run.Keep = 1
		if err := root.Accept(spec, nil, nil); err != nil {
			t.Fatal(err)
		}
		c, err := root.Command(spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Decide(1, spool.Attempt{At: ended.Ended, Decided: ended}); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	return dir
}

// To forget the last of 10,000 commands takes no longer than to forget the
// first: no directory and no list is gone through for it.
func TestToReleaseACommandCostsTheSameHoweverManyThereAre(t *testing.T) {
	const commands, quarter = 10_000, 2500
	dir := manyEnded(t, commands)
	cfg := Default()
	cfg.StateDir, cfg.EndProcess = dir, endProcess
	e := open(t, dir)
	loop, stop := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- e.Run(loop) }()
	var spent [commands / quarter]time.Duration
	for q := range spent {
		begun := time.Now()
		var all sync.WaitGroup
		for caller := range 50 {
			all.Go(func() {
				for n := q*quarter + caller; n < (q+1)*quarter; n += 50 {
					releaseOne(t, e, "c"+strconv.Itoa(n))
				}
			})
		}
		all.Wait()
		spent[q] = time.Since(begun)
	}
	stop()
	if err := <-running; err != nil {
		t.Fatal(err)
	}
	t.Logf("a quarter of %d commands is released in %v, that is %v each", commands, spent, spent[0]/quarter)
	if last, first := spent[len(spent)-1], spent[0]; last > 3*first {
		t.Errorf("the last %d took %v, the first %v", quarter, last, first)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "commands")); err != nil || len(left) != 0 || e.tombs.len() != commands || e.room.taken != 0 {
		t.Errorf("%d directories are left, %v; %d tombstones; %d bytes are taken", len(left), err, e.tombs.len(), e.room.taken)
	}
}

// releaseOne releases a command as soon as it is known to have ended.
func releaseOne(t *testing.T, e *Executor, id string) {
	t.Helper()
	for {
		done, err := ask(t.Context(), e, func(ctx context.Context, reply func(bool, error)) {
			e.hearTime(time.Now()) // as every release does
			c := e.commands[id]
			if c != nil && !c.report.State.Final() {
				c.waiters = append(c.waiters, func() { reply(false, nil) })
				e.look(c)
				return
			}
			e.release(ctx, id, reply)
		})
		if err != nil {
			t.Error(err)
			return
		}
		if done {
			return
		}
	}
}
