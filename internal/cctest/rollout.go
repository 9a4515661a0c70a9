package cctest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// Paused waits until a job is paused for a cause (user, point or budget), and
// returns it.
func (c *Cluster) Paused(j client.Job, cause string) client.Job {
	c.t.Helper()
	c.until(fmt.Sprintf("the pause of job %s (%s)", j.ID, cause), func() string {
		j = c.Job(j.ID)
		if j.State == "PAUSED" && j.PauseCause == cause {
			return ""
		}
		return fmt.Sprintf("it is %s %s, %v", j.State, j.PauseCause, j.Counts)
	})
	return j
}

// Pause pauses a job.
func (c *Cluster) Pause(j client.Job) client.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	j, err := c.client.Pause(ctx, j.ID, client.Pause{})
	if err != nil {
		c.t.Fatalf("the job was not paused: %v\n%s", err, c.state())
	}
	return j
}

// Resume lets a paused job go on.
func (c *Cluster) Resume(j client.Job, how client.Resume) client.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	j, err := c.client.Resume(ctx, j.ID, how)
	if err != nil {
		c.t.Fatalf("the job was not resumed: %v\n%s", err, c.state())
	}
	return j
}

// Started are the hosts on which a job was started, in that order, by their
// word.
func (c *Cluster) Started(j client.Job) (hosts []string) {
	c.t.Helper()
	tasks := slices.DeleteFunc(c.Tasks(j), func(t client.Task) bool { return t.StartedAt.IsZero() })
	slices.SortStableFunc(tasks, func(a, b client.Task) int { return cmp.Or(a.StartedAt.Compare(b.StartedAt), a.Ordinal-b.Ordinal) })
	for _, t := range tasks {
		hosts = append(hosts, t.Host)
	}
	return hosts
}
