package scheduler

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

type submitStream = grpc.ClientStreamingServer[schedulerv1.SubmitJobRequest, schedulerv1.SubmitJobResponse]

// errStalled is why a submission is given up that does not come to its end.
var errStalled = errors.New("the submission has not come whole within submit_budget; submit it again")

// incoming is the messages of a submission, for which one need not wait longer
// than one wants.
type incoming struct {
	messages chan *schedulerv1.SubmitJobRequest
	failed   chan error // takes the one with which it ended
}

// receiving reads a submission until its end, or until its call has ended: by
// then the stream is done, and so is the reader, which running waits for.
func receiving(in submitStream, running *sync.WaitGroup) *incoming {
	i := &incoming{messages: make(chan *schedulerv1.SubmitJobRequest), failed: make(chan error, 1)}
	running.Go(func() {
		for {
			msg, err := in.Recv()
			if err != nil {
				i.failed <- err
				return
			}
			select {
			case i.messages <- msg:
			case <-in.Context().Done():
				return
			}
		}
	})
	return i
}

// next is the next message; io.EOF: there is none. It waits until ctx ends.
func (i *incoming) next(ctx context.Context) (*schedulerv1.SubmitJobRequest, error) {
	select {
	case msg := <-i.messages:
		return msg, nil
	case err := <-i.failed:
		return nil, err
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); !errors.Is(err, errStalled) {
		return nil, err
	}
	return nil, busy(errStalled)
}
