package client

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// Job returns one job by its id. Like all that only reads it is repeated for up to
// 5 s while the servers cannot be reached. Codes: NotFound, and Invalid if jobID
// is none.
func (c *Client) Job(ctx context.Context, jobID string) (Job, error) {
	var out Job
	if err := readable("job id", jobID); err != nil {
		return out, err
	}
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.GetJob(ctx, &accessv1.GetJobRequest{JobId: jobID})
		out = jobFrom(resp.GetJob())
		return failed(err)
	})
	return out, err
}

// JobFilter selects jobs that fit all of it; zero values fit every job.
type JobFilter struct {
	State     string // such as RUNNING, in any case
	Submitter string // name of the user
}

// Jobs yields jobs, newest first, a page of 100 at a time. An error ends the
// sequence; the next page is asked for when it is needed.
func (c *Client) Jobs(ctx context.Context, f JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		state, err := enum(typesv1.JobState_value, "JOB_STATE_", f.State)
		if err == nil {
			err = readable("submitter", f.Submitter)
		}
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

// TaskFilter selects tasks that fit all of it; zero values fit every task.
type TaskFilter struct {
	States []string // one of these, such as FAILED, in any case
	Host   string   // id or IP address
}

// Tasks yields the tasks of a job by ordinal, as they are now, a page of 1,000 at
// a time. An error ends the sequence. Code NotFound: there is no such job, or the
// host is none of its targets.
func (c *Client) Tasks(ctx context.Context, jobID string, f TaskFilter) iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		if err := readable("job id", jobID, "host", f.Host); err != nil {
			yield(Task{}, err)
			return
		}
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
			resp, err := c.access.ListTasks(ctx, &accessv1.ListTasksRequest{JobId: jobID, PageSize: 1000, PageToken: token, States: states, Host: f.Host})
			return resp.GetTasks(), resp.GetNextPageToken(), err
		})
	}
}

// Hosts yields the hosts that a selector matches, by id, a page of 1,000 at a
// time; empty: all. An error ends the sequence.
func (c *Client) Hosts(ctx context.Context, selector string) iter.Seq2[Host, error] {
	return func(yield func(Host, error) bool) {
		if err := readable("selector", selector); err != nil {
			yield(Host{}, err)
			return
		}
		pages(ctx, yield, hostFrom, func(token string) ([]*typesv1.Host, string, error) {
			resp, err := c.access.ListHosts(ctx, &accessv1.ListHostsRequest{PageSize: 1000, PageToken: token, Selector: selector})
			return resp.GetHosts(), resp.GetNextPageToken(), err
		})
	}
}

// Host returns one host by id or IP address. Codes: NotFound, and Invalid if more
// than one host has the address.
func (c *Client) Host(ctx context.Context, name string) (Host, error) {
	var out Host
	if err := readable("host", name); err != nil {
		return out, err
	}
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.GetHost(ctx, &accessv1.GetHostRequest{Host: name})
		out = hostFrom(resp.GetHost())
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
