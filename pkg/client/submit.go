package client

import (
	"context"
	"errors"
	"io"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// Run resolves, signs and submits a job. When it returns without an error the
// job is durable and will end, whatever becomes of this program.
//
// It makes one job at most: what it repeats is the submission of one signed job
// under one id, as [Client.Submit] does. Whether the job exists is known after
// every error but those of code Unavailable, Canceled and Internal. After these
// the returned Job has at least its ID, if it came so far: look with
// [Client.Job]. To call Run again would be to ask for another job.
//
// Codes: Invalid for a request that cannot be, such as one that matches no host,
// Denied if the servers will not have it, TooMuch at a limit, and those of
// [Client.Submit]. Whether the key may sign jobs the hosts decide, each for itself:
// a job by a key that they do not know is accepted, and REFUSED by every one.
func (c *Client) Run(ctx context.Context, r Request) (Job, error) {
	targets, err := c.Resolve(ctx, r)
	if err != nil {
		return Job{}, err
	}
	signed, err := c.Sign(r, targets)
	if err != nil {
		return Job{}, err
	}
	return c.Submit(ctx, signed)
}

// Retry runs a request on those hosts of another job whose tasks ended in one of
// the outcomes, such as FAILED, in any case. It is [Client.Run] with RetryOf and
// Outcomes set: a job of its own, with its own id, signed anew and naming the other
// as its parent; what the other did stays as it is. The hosts are those of today:
// one that has a new incarnation is a target again, in the room where it is now.
//
// No outcomes are FAILED, TIMED_OUT, START_FAILED, REFUSED and EXPIRED, which ended
// or never began. UNKNOWN and LOST are retried only when they are named: there the
// command may have run, or still run. A host on which it still does, refuses.
//
// Codes: NotFound if there is no such job; Invalid if the request names hosts by
// itself, no task ended so, or one of the hosts is gone; and those of Run.
func (c *Client) Retry(ctx context.Context, jobID string, outcomes []string, r Request) (Job, error) {
	if jobID == "" {
		return Job{}, invalid("no job is named that could be retried: give its id")
	}
	r.RetryOf, r.Outcomes = jobID, outcomes
	return c.Run(ctx, r)
}

// Submit hands a signed job over. The same job twice is one job, so it is
// repeated for up to 30 s while the servers cannot be reached, or are lost in the
// middle; a caller may repeat it too, for as long as its targets are fresh.
//
// Codes: Expired if the targets were resolved more than 10 minutes ago, Conflict
// if the id belongs to another job, and those of [Client.Run]. With an error the
// returned Job has its ID and nothing else.
func (c *Client) Submit(ctx context.Context, s *Signed) (Job, error) {
	out := Job{ID: s.ID}
	err := retry(ctx, retryFor, func() error {
		j, err := c.submitOnce(ctx, s)
		if err == nil {
			out = jobFrom(j)
		}
		return err
	})
	return out, err
}

func (c *Client) submitOnce(ctx context.Context, s *Signed) (*typesv1.Job, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.access.SubmitJob(ctx)
	if err != nil {
		return nil, failed(err)
	}
	err = stream.Send(&accessv1.SubmitJobRequest{Header: s.header})
	if err == nil {
		err = s.targets.chunks(func(rooms []*typesv1.RoomTargets) error {
			return stream.Send(&accessv1.SubmitJobRequest{Rooms: rooms})
		})
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the answer says why
		return nil, failed(err)
	}
	resp, err := stream.CloseAndRecv()
	if err != nil {
		return nil, failed(err)
	}
	return resp.GetJob(), nil
}
