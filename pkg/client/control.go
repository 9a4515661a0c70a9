package client

import (
	"context"
	"crypto/rand"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// Cancel says how a job is to be stopped; its zero value stops all of it.
type Cancel struct {
	RequestID               string // 16 to 64 characters, no control characters; empty: a new one. The same again has no second effect
	ExpectedControlRevision uint64 // of the job as the caller saw it; 0: any
	KeepRunning             bool   // what has started goes on; what has not does not start
}

// Cancel stops a job: what is not released is skipped, what has not started does
// not start, and what runs is killed, or goes on with KeepRunning. When it returns
// the wish is durable; that it is carried out says [Client.Watch]. To cancel a job
// that is done, or canceled, changes nothing, but that what was to go on is killed
// after a second cancel without KeepRunning.
//
// With KeepRunning the record that a host makes before it starts the command
// decides which was first: the task becomes CANCELED and was not started, or it
// goes on to its own end.
//
// It is repeated for up to 30 s under one request id while the servers cannot be
// reached, so it has one effect. Codes: NotFound; Conflict if the control revision
// is not the expected one, or the request id was used for something else.
func (c *Client) Cancel(ctx context.Context, jobID string, how Cancel) (Job, error) {
	return c.control(ctx, jobID, how.RequestID, func(id string) (*typesv1.Job, error) {
		resp, err := c.access.CancelJob(ctx, &accessv1.CancelJobRequest{
			JobId: jobID, RequestId: id, ExpectedControlRevision: how.ExpectedControlRevision, KeepRunning: how.KeepRunning,
		})
		return resp.GetJob(), err
	})
}

// Pause says how a job is to be paused.
type Pause struct {
	RequestID               string // as of Cancel
	ExpectedControlRevision uint64 // as of Cancel
}

// Pause stops releasing until [Client.Resume]; what is released goes on. When it
// returns the pause is durable. A job that is paused already stays so, and to
// pause one that is done, or canceled, changes nothing.
//
// It is repeated, and has one effect, as [Client.Cancel]. The codes are the same.
func (c *Client) Pause(ctx context.Context, jobID string, how Pause) (Job, error) {
	return c.control(ctx, jobID, how.RequestID, func(id string) (*typesv1.Job, error) {
		resp, err := c.access.PauseJob(ctx, &accessv1.PauseJobRequest{
			JobId: jobID, RequestId: id, ExpectedControlRevision: how.ExpectedControlRevision,
		})
		return resp.GetJob(), err
	})
}

// Resume says how far a paused job goes: to its end, if nothing else is said.
type Resume struct {
	RequestID               string // as of Cancel
	ExpectedControlRevision uint64 // as of Cancel
	ToNextPoint             bool   // only to the pause point that comes next, if there is one
	Targets                 uint32 // only so many targets more, from 1, counted from those that are released; not with ToNextPoint
}

// Resume lets a paused job go on. To the end means past every pause point; the
// failure budget stays in force, and if that has paused the job, the bad outcomes
// so far count no more. A resume by a number ends in a pause when so many targets
// more are released and settled, unless a pause point after a batch comes first.
//
// It is repeated, and has one effect, as [Client.Cancel]: the same request again
// releases nothing more. Codes: WrongState if the job is not paused, and those of
// Cancel; Invalid for Targets together with ToNextPoint.
func (c *Client) Resume(ctx context.Context, jobID string, how Resume) (Job, error) {
	until := typesv1.ResumeUntil_RESUME_UNTIL_END
	switch {
	case how.ToNextPoint && how.Targets > 0:
		return Job{}, invalid("a resume goes to the next pause point, or by a number of targets: give one of the two")
	case how.ToNextPoint:
		until = typesv1.ResumeUntil_RESUME_UNTIL_NEXT
	case how.Targets > 0:
		until = typesv1.ResumeUntil_RESUME_UNTIL_NUMBER
	}
	return c.control(ctx, jobID, how.RequestID, func(id string) (*typesv1.Job, error) {
		resp, err := c.access.ResumeJob(ctx, &accessv1.ResumeJobRequest{
			JobId: jobID, RequestId: id, ExpectedControlRevision: how.ExpectedControlRevision, Until: until, Targets: how.Targets,
		})
		return resp.GetJob(), err
	})
}

// control makes a request under one id, however often it takes.
func (c *Client) control(ctx context.Context, jobID, id string, request func(id string) (*typesv1.Job, error)) (Job, error) {
	if id == "" {
		id = rand.Text()
	}
	if err := readable("job id", jobID, "request id", id); err != nil {
		return Job{}, err
	}
	var out Job
	err := retry(ctx, retryFor, func() error {
		j, err := request(id)
		out = jobFrom(j)
		return failed(err)
	})
	return out, err
}
