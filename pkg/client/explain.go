package client

import (
	"context"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Explanation says why a task is where it is, as its job's owner knows it now.
type Explanation struct {
	Job    Job
	Task   Task
	Causes []Cause // at least one, at most 16: the nearest first, then what stands behind it
	AtWork []Task  // where it waits for others to end: the first of them, at most 5
}

// Cause is one link in the chain of reasons.
type Cause struct {
	Code  string    // such as concurrency or host_away; a later server may have more of them
	Since time.Time // since when it holds; zero: that is not known
	Until time.Time // it ends then at the latest, whatever else happens; zero: by nothing but itself
	Text  string    // a sentence for a person, with times in UTC; at most 1 KiB; may change with every version
}

// Explain says why the task of a job on one host, by id or IP address, is where
// it is: what it waits for, since when, and what ends that. Nothing changes by
// it, so it is repeated for up to 5 s while the servers cannot be reached.
//
// The error has code NotFound if there is no such job, or the host is none of its
// targets, and Invalid if the job id cannot be read or no host is named.
func (c *Client) Explain(ctx context.Context, jobID, host string) (Explanation, error) {
	var out Explanation
	if err := readable("job id", jobID, "host", host); err != nil {
		return out, err
	}
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.ExplainTask(ctx, &accessv1.ExplainTaskRequest{JobId: jobID, Host: host})
		if err == nil {
			out = explanationFrom(resp)
		}
		return failed(err)
	})
	return out, err
}

func explanationFrom(r *accessv1.ExplainTaskResponse) Explanation {
	out := Explanation{Job: jobFrom(r.GetJob()), Task: taskFrom(r.GetTask())}
	for _, c := range r.GetCauses() {
		cause, text := wire.CauseFromProto(c)
		out.Causes = append(out.Causes, Cause{Code: cause.Code.String(), Since: cause.Since, Until: cause.Until, Text: text})
	}
	for _, t := range r.GetAtWork() {
		out.AtWork = append(out.AtWork, taskFrom(t))
	}
	return out
}
