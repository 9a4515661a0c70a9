package cctest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// Waiting takes time of the bubble, which passes at once.
const (
	patience = 5 * time.Minute
	poll     = 50 * time.Millisecond
)

// until waits until lacks is empty; it fails the test with the last thing that
// was lacking and the state of the cluster.
func (c *Cluster) until(what string, lacks func() string) {
	c.t.Helper()
	began := time.Now()
	deadline := began.Add(c.patience)
	for {
		lack := lacks()
		if lack == "" {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s did not come in %s; still lacking: %s\n%s", what, c.patience, lack, c.state())
		}
		c.Advance(max(poll, time.Since(began)/100)) // what takes long may be seen late
	}
}

// Attached waits until every scheduler sees that all of these hosts are
// attached.
func (c *Cluster) Attached(hosts ...string) {
	c.t.Helper()
	c.seenAttached(hosts)
	c.Advance(everySchedulerLooks)
	c.seenAttached(hosts)
}

// everySchedulerLooks is how long it takes until all schedulers have read what
// one of them has written to the host table, and a little more.
const everySchedulerLooks = 1500 * time.Millisecond

func (c *Cluster) seenAttached(hosts []string) {
	c.t.Helper()
	c.until("the attachment of hosts", func() string {
		attached, err := c.attached()
		if err != nil {
			return err.Error()
		}
		var away []string
		for _, h := range hosts {
			if attached[h] == "" {
				away = append(away, h)
			}
		}
		if len(away) == 0 {
			return ""
		}
		return fmt.Sprintf("%v are not attached", away)
	})
}

// Detached waits until it is known of all of these hosts that they are away.
func (c *Cluster) Detached(hosts ...string) {
	c.t.Helper()
	c.until("that hosts are known to be away", func() string {
		attached, err := c.attached()
		if err != nil {
			return err.Error()
		}
		var there []string
		for _, h := range hosts {
			if via := attached[h]; via != "" {
				there = append(there, h+" at "+via)
			}
		}
		return strings.Join(there, ", ")
	})
}

// attached is the aggregator of each host, empty for those that are away.
func (c *Cluster) attached() (map[string]string, error) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	out := map[string]string{}
	for h, err := range c.client.Hosts(ctx, "") {
		if err != nil {
			return nil, err
		}
		out[h.ID] = ""
		if h.Attached {
			out[h.ID] = h.Aggregator
		}
	}
	return out, nil
}

// Settles waits until a job is done and returns it.
func (c *Cluster) Settles(j client.Job) client.Job {
	c.t.Helper()
	return c.SettlesWithin(j, patience)
}

// SettlesWithin is Settles for a job that may take its time.
func (c *Cluster) SettlesWithin(j client.Job, limit time.Duration) client.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeoutCause(c.ctx, limit, fmt.Errorf("job %s is not done after %s", j.ID, limit))
	defer cancel()
	var last client.Job
	for u, err := range c.client.Watch(ctx, j.ID, 0) {
		if err != nil {
			c.t.Fatalf("watching job %s: %v (%v)\n%s", j.ID, err, context.Cause(ctx), c.stateOf(j.ID))
		}
		last = u.Job
	}
	if !last.Done() {
		c.t.Fatalf("the watch of job %s ended before the job did\n%s", j.ID, c.stateOf(j.ID))
	}
	return last
}

// Task waits until the task of a job on a host is in one of these states, and
// returns it.
func (c *Cluster) Task(j client.Job, host string, states ...string) client.Task {
	c.t.Helper()
	var found client.Task
	c.until(fmt.Sprintf("%v of job %s on %s", states, j.ID, host), func() string {
		var err error
		if found, err = c.task(j, host); err != nil {
			return err.Error()
		}
		if slices.Contains(states, found.State) {
			return ""
		}
		return fmt.Sprintf("it is %s %s", found.State, found.Reason)
	})
	return found
}

func (c *Cluster) task(j client.Job, host string) (client.Task, error) {
	for t, err := range c.client.Tasks(c.ctx, j.ID, client.TaskFilter{Host: host}) {
		return t, err
	}
	return client.Task{}, fmt.Errorf("job %s has no task on %s", j.ID, host)
}

// stateOf is what a person needs who wonders why a job does not go on.
func (c *Cluster) stateOf(id string) string {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	var b strings.Builder
	j, err := c.client.Job(ctx, id)
	if err != nil {
		fmt.Fprintf(&b, "job %s: %v\n", id, err)
	} else {
		fmt.Fprintf(&b, "job %s: %s, %d targets, %d in flight, %v\n", id, j.State, j.Targets, j.InFlight, j.Counts)
	}
	hosts := map[string][]string{}
	for t, err := range c.client.Tasks(ctx, id, client.TaskFilter{}) {
		if err != nil {
			fmt.Fprintf(&b, "  its tasks: %v\n", err)
			break
		}
		key := strings.TrimSpace(t.State + " " + t.Reason)
		if t.Unreachable {
			key += " unreachable"
		}
		hosts[key] = append(hosts[key], t.Host)
	}
	for _, state := range slices.Sorted(maps.Keys(hosts)) {
		fmt.Fprintf(&b, "  %s: %v\n", state, hosts[state])
	}
	return b.String() + c.state()
}

// state is who runs and who is attached where.
func (c *Cluster) state() string {
	var b strings.Builder
	for _, name := range c.order {
		if p := c.processes[name]; !p.running() {
			fmt.Fprintf(&b, "%s does not run\n", name)
		} else if err := p.fault(); err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	attached, err := c.attached()
	if err != nil {
		fmt.Fprintf(&b, "who is attached is not known: %v\n", err)
	}
	for _, h := range slices.Sorted(maps.Keys(attached)) {
		fmt.Fprintf(&b, "%s is at %q\n", h, attached[h])
	}
	return b.String()
}
