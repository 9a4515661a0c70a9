package devcluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// closeBudget bounds the end of a cluster after the processes were asked to end.
const closeBudget = 45 * time.Second

// Cluster is a running cluster. Its verbs take the names of processes, such as
// "scheduler-standard-1", "aggregator-bj01-2", "agent-h3", "executor-h3",
// "access-1", "issuer" and "etcd". Safe for concurrent use on different names.
type Cluster struct {
	plan   *plan
	layout layout
	marker string
	crew   *crew
	ports  *ports

	close    sync.Once
	closeErr error
}

// Start builds a cluster and comes back when it is whole: every process
// serves and every host that is not to stay away is attached. Otherwise it
// says what is still missing, with the end of that process's log, and leaves
// nothing behind. The context bounds the start alone; end with Close.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := haveBinaries(o); err != nil {
		return nil, err
	}
	c, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.bringUp(ctx); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// prepare claims the directory and starts the guard, and nothing else yet.
func prepare(ctx context.Context, o Options) (*Cluster, error) {
	claimed, err := claimDir(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{layout: layout{claimed.path}, marker: newMarker(), ports: &ports{ip: netip.MustParseAddr(o.Listen)}}
	if c.plan, err = newPlan(o, c.layout, c.ports); err == nil {
		err = c.layout.make()
	}
	if err != nil {
		return nil, errors.Join(err, c.ports.close(), claimed.lock.Close(), os.RemoveAll(claimed.path))
	}
	g, err := guard.Start(ctx, guard.Options{
		Config: guard.Config{Marker: c.marker, Dir: claimed.path, KeepTop: claimed.keepTop, Keep: o.Keep},
		Binary: o.Self, Log: c.layout.log("guard"), Lock: claimed.lock,
	})
	if err != nil {
		return nil, errors.Join(err, c.ports.close())
	}
	c.crew = &crew{guard: g}
	return c, nil
}

// haveBinaries says which binaries are missing, all at once.
func haveBinaries(o Options) error {
	var missing []string
	for _, name := range []string{
		"ccs-issuer", "ccs-access", "ccs-scheduler", "ccs-aggregator", "ccs-executor", "ccs-endprocess", "ccs-agent",
	} {
		if _, err := os.Stat(filepath.Join(o.Bin, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("cannot start a cluster: %s has no %s; build the binaries first (make build)", o.Bin, strings.Join(missing, ", "))
	}
	return nil
}

func newMarker() string {
	raw := make([]byte, 12)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}

// bringUp starts the stages: each needs the one before it, and what is in one
// stage starts at once.
func (c *Cluster) bringUp(ctx context.Context) error {
	o := c.plan.options
	bundle, err := c.plan.makeTrust()
	if err != nil {
		return err
	}
	if c.crew.members, err = c.plan.members(); err != nil {
		return err
	}
	if err := c.plan.writeClientConfig(); err != nil {
		return err
	}
	if err := c.crew.start(ctx, "etcd"); err != nil {
		return err
	}
	if err := c.seed(ctx, bundle); err != nil {
		return err
	}
	o.Progress("etcd serves; classes and the operator's bundle are in it")
	present := func(h host) bool { return !slices.Contains(o.Away, h.id) }
	control := c.plan.names(tierIssuer, tierAccess, tierScheduler, tierAggregator)
	if err := c.crew.start(ctx, append(control, c.plan.hostNames(tierExecutor, present)...)...); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("the issuer, %d access, %d schedulers, %d aggregators and %d executors serve",
		len(c.plan.names(tierAccess)), len(c.plan.names(tierScheduler)), len(c.plan.names(tierAggregator)),
		len(c.plan.hostNames(tierExecutor, present))))
	if err := c.crew.start(ctx, c.plan.hostNames(tierAgent, present)...); err != nil {
		return err
	}
	if err := c.enrolUser(ctx); err != nil {
		return err
	}
	if err := c.awaitAttached(ctx, present); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("all %d hosts have enrolled and are attached", len(c.plan.hostNames(tierAgent, present))))
	return nil
}

// Close stops everything in good order within the grace, kills what is left,
// and removes the directory. The context bounds the good order alone: once it
// is done the killing begins, and that has a bound of its own. A second call
// returns what the first did.
func (c *Cluster) Close(ctx context.Context) error {
	c.close.Do(func() {
		stages := [][]string{
			c.plan.names(tierAgent), c.plan.names(tierExecutor), c.plan.names(tierAccess, tierIssuer),
			c.plan.names(tierScheduler, tierAggregator), c.plan.names(tierEtcd),
		}
		var shut error
		select {
		case <-c.crew.guard.Gone(): // it was killed and all is being swept
		default:
			var killed []string
			killed, shut = c.crew.guard.Shutdown(ctx, stages, c.plan.options.Grace)
			if len(killed) > 0 {
				c.plan.options.Progress(fmt.Sprintf("killed what did not stop within %v: %v", c.plan.options.Grace, killed))
			}
		}
		sweeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
		defer cancel()
		closed := c.crew.guard.Close(sweeping)
		if closed == nil && shut != nil {
			shut = nil // it was cut short, and the sweep that follows is thorough
		}
		c.closeErr = errors.Join(shut, closed, c.ports.close())
	})
	return c.closeErr
}

// Leftovers lists living processes of this cluster, whoever their parent is:
// none after Close.
func (c *Cluster) Leftovers() ([]guard.Process, error) { return guard.Leftovers(c.marker) }

// Gone is closed when the guard has ended, and everything with it.
func (c *Cluster) Gone() <-chan struct{} { return c.crew.guard.Gone() }

// Kill9 kills a process and waits until it is gone.
func (c *Cluster) Kill9(ctx context.Context, name string) error {
	return c.crew.end(ctx, name, unix.SIGKILL)
}

// Stop asks a process to end and waits until it has.
func (c *Cluster) Stop(ctx context.Context, name string) error {
	return c.crew.end(ctx, name, unix.SIGTERM)
}

// Restart starts a process that was killed or stopped, or stops and starts
// one that runs; it comes back when the new one serves, on the same address.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	if c.crew.running(ctx, name) {
		if err := c.Stop(ctx, name); err != nil {
			return err
		}
	}
	return c.crew.start(ctx, name)
}

// Pause freezes a process (SIGSTOP) until Resume.
func (c *Cluster) Pause(ctx context.Context, name string) error {
	return c.crew.guard.Signal(ctx, name, unix.SIGSTOP)
}

// Resume lets a paused process go on.
func (c *Cluster) Resume(ctx context.Context, name string) error {
	return c.crew.guard.Signal(ctx, name, unix.SIGCONT)
}

// StartHost starts executor and agent of a host that stayed away and waits
// until it is attached.
func (c *Cluster) StartHost(ctx context.Context, id string) error {
	only := func(h host) bool { return h.id == id }
	for _, tier := range []string{tierExecutor, tierAgent} {
		names := c.plan.hostNames(tier, only)
		if len(names) == 0 {
			return fmt.Errorf("%w: host %q", ErrUnknownProcess, id)
		}
		if err := c.crew.start(ctx, names...); err != nil {
			return err
		}
	}
	return c.awaitAttached(ctx, only)
}

// Log is all that a process has written so far.
func (c *Cluster) Log(name string) (string, error) {
	if _, err := c.crew.member(name); err != nil {
		return "", err
	}
	raw, err := os.ReadFile(c.layout.log(name))
	if err != nil {
		return "", fmt.Errorf("cannot read the log of %s: %w", name, err)
	}
	return string(raw), nil
}

// Dir is the root of the cluster's state.
func (c *Cluster) Dir() string { return c.layout.root }

// Processes lists the names of all processes.
func (c *Cluster) Processes() (names []string) {
	for _, p := range c.plan.parts {
		names = append(names, p.name)
	}
	return names
}

// ClientConfig is the path of a config file for ccsctl as the demo user.
func (c *Cluster) ClientConfig() string { return c.layout.config("ccsctl") }
