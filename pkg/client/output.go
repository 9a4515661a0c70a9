package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
)

// Output writes one output of a job to w, byte for byte as it was kept, such as
// that of Task.Stdout; it is at most 16 MiB. An empty output writes nothing.
//
// The bytes are checked while they pass: if they are not those that ref names
// the error has code Corrupt, and w may have a part of them, but never more than
// ref.Size if that is known. Take what w has only if there is no error. That the
// host meant just this output says [Client.Verify].
//
// A connection that is lost is made again for up to 5 s, and no byte is written
// twice. The code is NotFound if the job has no such output, Invalid if ref is no
// reference. An error of w comes back as it is.
func (c *Client) Output(ctx context.Context, jobID string, ref OutputRef, w io.Writer) error {
	if ref.Digest == "" {
		return nil
	}
	if err := readable("job id", jobID); err != nil {
		return err
	}
	digest := digestOf(ref)
	if digest == nil {
		return invalid("%q is not the digest of an output: give the 64 hex digits of a task's stdout or stderr", ref.Digest)
	}
	o := output{client: c, req: &accessv1.GetOutputRequest{JobId: jobID, Digest: digest}, size: ref.Size, to: w, sum: sha256.New()}
	if err := follow(ctx, readFor, func() (bool, error) { return o.stream(ctx) }); err != nil {
		return err
	}
	if string(o.sum.Sum(nil)) != string(digest) {
		return o.isWrong()
	}
	return nil
}

// output is one that is on its way.
type output struct {
	client *Client
	req    *accessv1.GetOutputRequest
	size   uint64 // that it must have; 0: not known
	to     io.Writer
	sum    hash.Hash
	done   int // bytes written
}

func (o *output) isWrong() error {
	return corrupt("the servers sent an output of job %s that is not %x: do not use it, and report this", o.req.GetJobId(), o.req.GetDigest())
}

// stream follows one connection to its end; what was written before is passed
// over.
func (o *output) stream(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := o.client.access.GetOutput(ctx, o.req)
	if err != nil {
		return false, failed(err)
	}
	for skip := o.done; ; {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return heard, nil
		}
		if err != nil {
			return heard, failed(err)
		}
		fresh := msg.GetContent()[min(skip, len(msg.GetContent())):]
		skip -= len(msg.GetContent()) - len(fresh)
		heard = heard || len(fresh) > 0
		if err := o.write(fresh); err != nil {
			return heard, err
		}
	}
}

func (o *output) write(fresh []byte) error {
	if o.size > 0 && uint64(o.done+len(fresh)) > o.size {
		return o.isWrong()
	}
	n, err := o.to.Write(fresh)
	_, _ = o.sum.Write(fresh[:n]) // a hash never fails
	o.done += n
	return err
}
