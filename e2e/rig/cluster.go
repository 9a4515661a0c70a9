package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/internal/postgresserver"
	"github.com/ccs-project/ccs/pkg/client"
)

const (
	startBudget = 60 * time.Second
	closeBudget = 60 * time.Second
	// complaintsShown of each process go with a failed test.
	complaintsShown = 8
)

// Cluster is a running cluster and the demo user's SDK.
type Cluster struct {
	*devcluster.Cluster
	SDK *client.Client
	Bin string

	postgres *postgresserver.Server // nil: SQLite
}

// Start starts a cluster that ends with the test, which fails if anything of
// it is left then. What the options leave out is set; CCS_KEEP=1 in the
// environment keeps the directory for whoever looks for a fault, STORE=postgres
// keeps the jobs in a PostgreSQL of the test's own.
func Start(t *testing.T, o devcluster.Options) *Cluster {
	t.Helper()
	if o.Bin == "" {
		o.Bin = Bin(t)
	}
	o.Keep = os.Getenv("CCS_KEEP") != ""
	if o.Dir == "" && !o.Keep {
		o.Dir = filepath.Join(Dir(t), "c")
	}
	var server *postgresserver.Server
	if o.Store == "" {
		server, o.Store = startStore(t)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), startBudget)
	defer cancel()
	running, err := devcluster.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Cluster: running, Bin: o.Bin, postgres: server}
	t.Cleanup(func() { c.end(t) })
	if c.SDK, err = running.Client(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the cluster was whole after %.1f s, in %s", time.Since(began).Seconds(), c.Dir())
	return c
}

// end stops the cluster and looks for what is left.
func (c *Cluster) end(t *testing.T) {
	t.Helper()
	if t.Failed() {
		c.complaints(t)
	}
	if c.SDK != nil {
		if err := c.SDK.Close(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeBudget)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	if left, err := c.Leftovers(); err != nil || len(left) > 0 {
		t.Errorf("processes are left: %v %v", left, err)
	}
}

// complaints shows the last warnings and errors of each process.
func (c *Cluster) complaints(t *testing.T) {
	t.Helper()
	for _, name := range c.Processes() {
		text, err := c.Log(name)
		if err != nil {
			continue // it was never started
		}
		var bad []string
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			if line := lines.Text(); !strings.Contains(line, "INFO") && !strings.Contains(line, "DEBUG") {
				bad = append(bad, line)
			}
		}
		if n := len(bad); n > 0 {
			t.Logf("%s complained %d times, last:\n  %s", name, n, strings.Join(bad[max(0, n-complaintsShown):], "\n  "))
		}
	}
}

// Hosts are the ids of the attached hosts, sorted.
func (c *Cluster) Hosts(t *testing.T) (ids []string) {
	t.Helper()
	for h, err := range c.SDK.Hosts(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if h.Attached {
			ids = append(ids, h.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// AwaitAttached waits until all schedulers know that a host is attached.
func (c *Cluster) AwaitAttached(t *testing.T, id string) {
	t.Helper()
	c.AwaitHost(t, id, "attached", func(h client.Host) bool { return h.Attached })
}

// AwaitAway waits until all schedulers know that a host is away.
func (c *Cluster) AwaitAway(t *testing.T, id string) {
	t.Helper()
	c.AwaitHost(t, id, "away", func(h client.Host) bool { return !h.Attached })
}

// sureAfter is how many answers in a row it takes to believe that all
// schedulers would say the same: access asks any of the three, and each learns
// of a host in its own time (up to a second). (2/3)^30 is 1 in 200,000.
const sureAfter = 30

// AwaitHost waits until all schedulers know a host to be so.
func (c *Cluster) AwaitHost(t *testing.T, id, what string, so func(client.Host) bool) {
	t.Helper()
	inARow := 0
	Eventually(t, func() string {
		for ; inARow < sureAfter; inARow++ {
			h, err := c.SDK.Host(t.Context(), id)
			if err != nil || !so(h) {
				inARow = 0
				return fmt.Sprintf("host %s is not %s at all schedulers: %+v %v", id, what, h, err)
			}
		}
		return ""
	})
}

// AccessAddresses are those of access.
func (c *Cluster) AccessAddresses() (addrs []string) {
	for _, l := range c.Listeners() {
		if l.Tier == "access" {
			addrs = append(addrs, l.Address)
		}
	}
	return addrs
}

// Kill9 kills processes and waits for their end.
func (c *Cluster) Kill9(t *testing.T, names ...string) { t.Helper(); c.each(t, c.Cluster.Kill9, names) }

// Stop ends processes in good order.
func (c *Cluster) Stop(t *testing.T, names ...string) { t.Helper(); c.each(t, c.Cluster.Stop, names) }

// Restart starts processes again and waits until they serve.
func (c *Cluster) Restart(t *testing.T, names ...string) {
	t.Helper()
	c.each(t, c.Cluster.Restart, names)
}

// Pause freezes processes, and Resume lets them go on.
func (c *Cluster) Pause(t *testing.T, names ...string) { t.Helper(); c.each(t, c.Cluster.Pause, names) }

// Resume lets paused processes go on.
func (c *Cluster) Resume(t *testing.T, names ...string) {
	t.Helper()
	c.each(t, c.Cluster.Resume, names)
}

func (c *Cluster) each(t *testing.T, verb func(context.Context, string) error, names []string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), Patience, fmt.Errorf("not within %v", Patience))
	defer cancel()
	for _, name := range names {
		if err := verb(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
}
