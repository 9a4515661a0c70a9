package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
)

// Watch yields what is known of a job and then every change, until the job is
// done; tasks that were settled at afterRevision or before are left out. When
// the connection is lost it goes on at another replica without repeating what
// was complete. An error ends it.
func (c *Client) Watch(ctx context.Context, id string, afterRevision uint64) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := watch{client: c, id: id, after: afterRevision, yield: yield}
		w.run(ctx)
	}
}

type watch struct {
	client  *Client
	id      string
	after   uint64
	yield   func(Update, error) bool
	stopped bool // by the caller, or by the end of the job
}

func (w *watch) run(ctx context.Context) {
	give := time.Now().Add(retryFor)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		heard, err := w.stream(ctx)
		if w.stopped {
			return
		}
		if heard {
			wait, give = firstRetry, time.Now().Add(retryFor)
		}
		if CodeOf(err) != Unavailable || !pause(ctx, max(wait, askedFor(err)), give) {
			w.yield(Update{}, err)
			return
		}
	}
}

// stream follows one connection to its end.
func (w *watch) stream(ctx context.Context) (heard bool, err error) {
	stream, err := w.client.access.WatchJob(ctx, &accessv1.WatchJobRequest{JobId: w.id, AfterRevision: w.after})
	if err != nil {
		return false, failed(err)
	}
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return heard, &Error{Code: Unavailable, Message: "the watch ended before the job did"}
		}
		if err != nil {
			return heard, failed(err)
		}
		heard = true
		if !w.pass(msg) {
			return heard, nil
		}
	}
}

// pass hands a message to the caller; false: there is nothing more to come.
func (w *watch) pass(msg *accessv1.WatchJobResponse) bool {
	u := Update{Job: jobFrom(msg.GetJob()), Revision: msg.GetCompleteRevision()}
	for _, t := range msg.GetTasks() {
		u.Tasks = append(u.Tasks, taskFrom(t))
	}
	if u.Revision > 0 {
		w.after = u.Revision
	}
	w.stopped = !w.yield(u, nil) || u.Job.Done() && u.Revision > 0
	return !w.stopped
}
