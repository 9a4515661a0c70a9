package devcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

const (
	// readyPoll is how often a ready file is looked for.
	readyPoll = 5 * time.Millisecond
	// tailLines of a log go with a message about its process.
	tailLines = 15
)

// ErrUnknownProcess is returned for a name that the cluster does not have.
var ErrUnknownProcess = errors.New("no such process")

// member is one process of the cluster, running or not.
type member struct {
	name  string
	spec  guard.Spec
	ready string // file that it writes when it serves
}

// crew starts members and knows when they serve. Its members are fixed before
// the first start; safe for concurrent use on different members.
type crew struct {
	guard   *guard.Guard
	members map[string]*member
}

func (c *crew) member(name string) (*member, error) {
	m := c.members[name]
	if m == nil {
		return nil, fmt.Errorf("%w: %q", ErrUnknownProcess, name)
	}
	return m, nil
}

// start starts the named members all at once and comes back when all of them
// serve, or with what is wrong with each that does not.
func (c *crew) start(ctx context.Context, names ...string) error {
	failed := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { failed[i] = c.startOne(ctx, name) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (c *crew) startOne(ctx context.Context, name string) error {
	m, err := c.member(name)
	if err != nil {
		return err
	}
	if err := os.Remove(m.ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove the ready file of %s: %w", name, err)
	}
	pid, err := c.guard.Start(ctx, m.spec)
	if err != nil {
		return err
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan guard.Exit, 1)
	go func() { // ends with watch at the latest
		if exit, err := c.guard.Wait(watch, name); err == nil {
			ended <- exit
		}
	}()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		select {
		case exit := <-ended:
			return fmt.Errorf("%s %s before it was ready\n%s", name, exit, m.tail())
		case <-c.guard.Gone():
			return fmt.Errorf("cannot wait for %s: the guard is gone", name)
		case <-ctx.Done():
			return fmt.Errorf("%s (pid %d) is not ready: %w\n%s", name, pid, context.Cause(ctx), m.tail())
		case <-tick.C:
			if m.serves(pid) {
				return nil
			}
		}
	}
}

// serves says whether the ready file is there and of this very process.
func (m *member) serves(pid int) bool {
	raw, err := os.ReadFile(m.ready)
	if err != nil {
		return false
	}
	var said struct {
		PID int `json:"pid"`
	}
	return json.Unmarshal(raw, &said) == nil && said.PID == pid
}

// tail is the end of the log, made to stand below a message.
func (m *member) tail() string {
	raw, err := os.ReadFile(m.spec.Log)
	if err != nil || len(raw) == 0 {
		return "  (its log " + m.spec.Log + " is empty)"
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "  the end of its log " + m.spec.Log + ":\n  | " + strings.Join(lines, "\n  | ")
}

// running says whether the member's process is alive.
func (c *crew) running(ctx context.Context, name string) bool {
	return c.guard.Signal(ctx, name, 0) == nil
}

// end sends a signal that is to end the process and waits until it has.
func (c *crew) end(ctx context.Context, name string, sig syscall.Signal) error {
	if _, err := c.member(name); err != nil {
		return err
	}
	if err := c.guard.Signal(ctx, name, sig); err != nil {
		return err
	}
	if err := c.guard.Signal(ctx, name, syscall.SIGCONT); err != nil && c.running(ctx, name) {
		return err
	}
	if _, err := c.guard.Wait(ctx, name); err != nil {
		return fmt.Errorf("cannot wait for the end of %s: %w", name, err)
	}
	return nil
}
