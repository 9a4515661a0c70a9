package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
)

// Output writes one output of a job to w, byte for byte as it was kept, and
// checks it against its digest: after an error w may have a part of it. An
// empty output writes nothing. A connection that is lost is made again. Beside
// those of this package the error may be w's.
func (c *Client) Output(ctx context.Context, id string, ref OutputRef, w io.Writer) error {
	if ref.Digest == "" {
		return nil
	}
	digest, err := hex.DecodeString(ref.Digest)
	if err != nil || len(digest) != sha256.Size {
		return invalid("%q is not the digest of an output: give the 64 hex digits of a task's stdout or stderr", ref.Digest)
	}
	o := output{client: c, req: &accessv1.GetOutputRequest{JobId: id, Digest: digest}, to: w, sum: sha256.New()}
	if err := retry(ctx, readFor, func() error { return o.stream(ctx) }); err != nil {
		return err
	}
	if !bytes.Equal(o.sum.Sum(nil), digest) {
		return &Error{Code: Internal, Message: "the servers sent an output that is not what its digest says: report this"}
	}
	return nil
}

// output is one that is on its way.
type output struct {
	client *Client
	req    *accessv1.GetOutputRequest
	to     io.Writer
	sum    hash.Hash
	done   int // bytes written
}

// stream follows one connection to its end; what was written before is passed
// over.
func (o *output) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := o.client.access.GetOutput(ctx, o.req)
	if err != nil {
		return failed(err)
	}
	for skip := o.done; ; {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failed(err)
		}
		fresh := msg.GetContent()[min(skip, len(msg.GetContent())):]
		skip -= len(msg.GetContent()) - len(fresh)
		n, err := o.to.Write(fresh)
		_, _ = o.sum.Write(fresh[:n]) // a hash never fails
		o.done += n
		if err != nil {
			return err
		}
	}
}
