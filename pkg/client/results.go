package client

import (
	"context"
	"iter"
)

// Results waits until a job is done and then yields every task once, by ordinal.
// It keeps a page of 1,000 tasks at a time, however large the job is.
//
// It waits as [Client.Watch] does and reads as [Client.Tasks] does, with their
// errors and retries; an error ends it. A job that is set aside as QUARANTINED
// will not be done: that is WrongState. Each task is as it is when its page is
// read: an UNKNOWN one may later turn into the outcome that its host then gives.
func (c *Client) Results(ctx context.Context, jobID string) iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		targets, err := c.done(ctx, jobID)
		if err != nil {
			yield(Task{}, err)
			return
		}
		next := 0
		for t, err := range c.Tasks(ctx, jobID, TaskFilter{}) {
			if err == nil && t.Ordinal != next {
				err = &Error{Code: Internal, Message: "the servers sent a list of tasks with a gap or a repetition: report this"}
			}
			if err != nil {
				yield(Task{}, err)
				return
			}
			if !yield(t, nil) {
				return
			}
			next++
		}
		if next != targets {
			yield(Task{}, &Error{Code: Internal, Message: "the servers sent a list of tasks that ends early, or too late: report this"})
		}
	}
}

// done waits until a job is done, and returns how many tasks it has. Of these it
// asks only for those that settle meanwhile, and keeps none.
func (c *Client) done(ctx context.Context, jobID string) (targets int, err error) {
	j, err := c.Job(ctx, jobID)
	if err != nil || j.Done() {
		return j.Targets, err
	}
	if err := setAside(j); err != nil {
		return 0, err
	}
	for u, err := range c.Watch(ctx, jobID, j.Revision) {
		if err != nil {
			return 0, err
		}
		if err := setAside(u.Job); err != nil {
			return 0, err
		}
	}
	return j.Targets, nil
}

func setAside(j Job) error {
	if j.State != "QUARANTINED" {
		return nil
	}
	return &Error{Code: WrongState, Message: "job " + j.ID + " is quarantined and goes no further" + j.because() + "; ask an operator (docs/quarantine.md)"}
}

// because is why a job is quarantined, where the servers say it.
func (j Job) because() string {
	if j.Quarantine == "" {
		return ""
	}
	return ": " + j.Quarantine
}
