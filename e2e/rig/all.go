package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kill9All kills processes at once and waits for the end of all.
func (c *Cluster) Kill9All(t *testing.T, names []string) {
	t.Helper()
	c.together(t, c.Cluster.Kill9, names)
}

// RestartAll starts processes again, all at once and in no order, and waits
// until all of them serve.
func (c *Cluster) RestartAll(t *testing.T, names []string) {
	t.Helper()
	c.together(t, c.Cluster.Restart, names)
}

func (c *Cluster) together(t *testing.T, verb func(context.Context, string) error, names []string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*Patience, fmt.Errorf("not within %v", 2*Patience))
	defer cancel()
	failed := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { failed[i] = verb(ctx, name) })
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
}

// Drain ends a process in good order and checks that it took no longer than it
// may and said so by its exit status.
func (c *Cluster) Drain(t *testing.T, name string, budget time.Duration) {
	t.Helper()
	began := time.Now()
	c.Stop(t, name)
	if took := time.Since(began); took > budget {
		t.Errorf("%s took %v to end, and may take %v", name, took, budget)
	}
	if exit, err := c.Exit(t.Context(), name); err != nil || exit.Code != 0 {
		t.Errorf("%s was asked to end and %v (%v)", name, exit, err)
	}
}

// AwaitWhole waits until etcd lacks nothing of the control plane.
func (c *Cluster) AwaitWhole(t *testing.T) {
	t.Helper()
	Eventually(t, func() string {
		lacking, err := c.Lacking(t.Context())
		if err != nil {
			return err.Error()
		}
		if len(lacking) > 0 {
			return fmt.Sprintf("etcd lacks %d, first %s", len(lacking), lacking[0])
		}
		return ""
	})
}

// Errors are the lines of a process's log that say ERROR, and those that are
// none of a log: what a program says when it panics.
func (c *Cluster) Errors(t *testing.T, name string) (lines []string) {
	t.Helper()
	text, err := c.Log(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		var said struct{ Level string }
		if json.Unmarshal([]byte(line), &said) != nil || slices.Contains([]string{"", "ERROR"}, said.Level) {
			lines = append(lines, line)
		}
	}
	return lines
}
