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

// Submit hands a signed job over. The same job twice is one job, so it is
// repeated for up to 30 s while the servers cannot be reached.
func (c *Client) Submit(ctx context.Context, s *Signed) (Job, error) {
	var out Job
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
