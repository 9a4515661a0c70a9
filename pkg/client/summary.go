package client

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
)

// Summary is what stands out in a job.
type Summary struct {
	Job         Job     // with the number of tasks in each state
	Slowest     []Task  // that ran longest, or run longest so far; at most 10, the slowest first
	Silent      []Task  // the host is away, or it is released and nothing is heard; at most 10, the longest silent first
	SilentCount int     // of all that are silent
	Groups      []Group // settled tasks by equal results, the largest first; at most 50
	GroupCount  int     // of all groups
}

// Group is tasks with equal results, outputs included.
type Group struct {
	State    string // such as FAILED
	Reason   string // as of Task
	ExitCode int    // as of Task
	Signal   int    // as of Task
	Stdout   OutputRef
	Stderr   OutputRef
	Count    int      // tasks
	Hosts    []string // ids of some of them, by ordinal; at most 20
}

// Summarize says what stands out in a job as it is now. It reads every outcome
// of the job, so ask it less often than [Client.Job]. It is repeated for up to 5 s
// while the servers cannot be reached. Codes: NotFound, Invalid if jobID is none,
// and WrongState of a job that is QUARANTINED.
func (c *Client) Summarize(ctx context.Context, jobID string) (Summary, error) {
	var out Summary
	if err := readable("job id", jobID); err != nil {
		return out, err
	}
	err := retry(ctx, readFor, func() error {
		resp, err := c.access.SummarizeJob(ctx, &accessv1.SummarizeJobRequest{JobId: jobID})
		if err == nil {
			out = summaryFrom(resp)
		}
		return failed(err)
	})
	return out, err
}

func summaryFrom(r *accessv1.SummarizeJobResponse) Summary {
	out := Summary{Job: jobFrom(r.GetJob()), SilentCount: int(r.GetSilentCount()), GroupCount: int(r.GetGroupCount())}
	for _, t := range r.GetSlowest() {
		out.Slowest = append(out.Slowest, taskFrom(t))
	}
	for _, t := range r.GetSilent() {
		out.Silent = append(out.Silent, taskFrom(t))
	}
	for _, g := range r.GetGroups() {
		s := g.GetStatus()
		group := Group{
			State: word(s.GetState().String(), "TASK_STATE_"), Reason: reasonFrom(s.GetReason()),
			ExitCode: int(s.GetExitCode()), Signal: int(s.GetSignal()), Count: int(g.GetCount()), Hosts: g.GetHosts(),
		}
		group.Stdout, group.Stderr = outputsFrom(g.GetOutputs())
		out.Groups = append(out.Groups, group)
	}
	return out
}
