package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"iter"
	"maps"
	"slices"
	"strings"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// Job returns one job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var out Job
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.GetJob(ctx, &accessv1.GetJobRequest{JobId: id})
		out = jobFrom(resp.GetJob())
		return failed(err)
	})
	return out, err
}

// JobFilter selects jobs; zero values select all.
type JobFilter struct {
	State     string // such as RUNNING
	Submitter string
}

// Jobs yields jobs, newest first, a page at a time.
func (c *Client) Jobs(ctx context.Context, f JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		state, err := enum(typesv1.JobState_value, "JOB_STATE_", f.State)
		if err != nil {
			yield(Job{}, err)
			return
		}
		pages(ctx, yield, jobFrom, func(token string) ([]*typesv1.Job, string, error) {
			resp, err := c.access.ListJobs(ctx, &accessv1.ListJobsRequest{PageToken: token, State: typesv1.JobState(state), Submitter: f.Submitter})
			return resp.GetJobs(), resp.GetNextPageToken(), err
		})
	}
}

// TaskFilter selects tasks; zero values select all.
type TaskFilter struct {
	States []string // such as FAILED
	Host   string   // id or IP address
}

// Tasks yields the tasks of a job by ordinal, a page at a time.
func (c *Client) Tasks(ctx context.Context, id string, f TaskFilter) iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		var states []typesv1.TaskState
		for _, s := range f.States {
			state, err := enum(typesv1.TaskState_value, "TASK_STATE_", s)
			if err != nil {
				yield(Task{}, err)
				return
			}
			states = append(states, typesv1.TaskState(state))
		}
		pages(ctx, yield, taskFrom, func(token string) ([]*typesv1.Task, string, error) {
			resp, err := c.access.ListTasks(ctx, &accessv1.ListTasksRequest{JobId: id, PageSize: 1000, PageToken: token, States: states, Host: f.Host})
			return resp.GetTasks(), resp.GetNextPageToken(), err
		})
	}
}

// Hosts yields the hosts that a selector matches, by id; empty: all.
func (c *Client) Hosts(ctx context.Context, selector string) iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		pages(ctx, yield, hostFrom, func(token string) ([]*typesv1.Host, string, error) {
			resp, err := c.access.ListHosts(ctx, &accessv1.ListHostsRequest{PageSize: 1000, PageToken: token, Selector: selector})
			return resp.GetHosts(), resp.GetNextPageToken(), err
		})
	}
}

// Host returns one host by id or IP address.
func (c *Client) Host(ctx context.Context, name string) (Host, error) {
	var out Host
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.GetHost(ctx, &accessv1.GetHostRequest{Host: name})
		out = hostFrom(resp.GetHost())
		return failed(err)
	})
	return out, err
}

// Cancel says how a job is to be stopped.
type Cancel struct {
	RequestID               string // empty: a new one; the same again has no second effect
	ExpectedControlRevision uint64 // 0: any
	KeepRunning             bool   // only skip what is not released
}

// Cancel stops a job: what is not released is skipped, what runs is killed. It
// is repeated under one request id while the servers cannot be reached.
func (c *Client) Cancel(ctx context.Context, id string, how Cancel) (Job, error) {
	if how.RequestID == "" {
		how.RequestID = rand.Text()
	}
	var out Job
	err := retry(ctx, retryFor, func() error {
		resp, err := c.access.CancelJob(ctx, &accessv1.CancelJobRequest{
			JobId: id, RequestId: how.RequestID, ExpectedControlRevision: how.ExpectedControlRevision, KeepRunning: how.KeepRunning,
		})
		out = jobFrom(resp.GetJob())
		return failed(err)
	})
	return out, err
}

// pages yields the items of all pages.
func pages[P, T any](ctx context.Context, yield func(T, error) bool, convert func(P) T, get func(token string) ([]P, string, error)) {
	for token := ""; ; {
		var items []P
		var next string
		err := retry(ctx, readFor, func() (err error) {
			items, next, err = get(token)
			return failed(err)
		})
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, p := range items {
			if !yield(convert(p), nil) {
				return
			}
		}
		if next == "" {
			return
		}
		token = next
	}
}

// enum reads the name of an enum value as people write it; empty is 0.
func enum(values map[string]int32, prefix, name string) (int32, error) {
	if name == "" {
		return 0, nil
	}
	if v, ok := values[prefix+strings.ToUpper(name)]; ok && v != 0 {
		return v, nil
	}
	var known []string
	for _, full := range slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Compare(values[a], values[b]) }) {
		if values[full] != 0 {
			known = append(known, strings.TrimPrefix(full, prefix))
		}
	}
	return 0, invalid("there is no state %q: give one of %s", name, strings.Join(known, ", "))
}
