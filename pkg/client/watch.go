package client

import (
	"context"
	"errors"
	"io"
	"iter"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
)

// Watch yields what is known of a job and then every change, until the job is
// done: the last update has Job.Done, and then the sequence ends. Changes that
// come faster than the caller takes them come together; a caller who is slow
// holds up nobody.
//
// Tasks that were settled at afterRevision or before are left out; 0 leaves
// nothing out. Whoever keeps the last Update.Revision that is not 0 can go on
// from there in another program.
//
// When the connection is lost it is made again, to any replica, and the sequence
// goes on after the last revision that was complete: what was complete does not
// come again, the tasks of one that was not may. An error ends the sequence: of
// code NotFound if there is no such job, Unavailable if nothing was heard for
// 30 s of trying, Canceled if ctx ends. Breaking off the loop ends the stream.
//
// The sequence may be ranged over again: it begins again at afterRevision.
func (c *Client) Watch(ctx context.Context, jobID string, afterRevision uint64) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		if err := readable("job id", jobID); err != nil {
			yield(Update{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := watch{client: c, id: jobID, after: afterRevision, yield: yield}
		if err := follow(ctx, retryFor, func() (bool, error) { return w.stream(ctx) }); err != nil {
			yield(Update{}, err)
		}
	}
}

type watch struct {
	client *Client
	id     string
	after  uint64
	yield  func(Update, error) bool
}

// stream follows one connection to its end; without an error there is nothing
// more to come, or the caller wants no more.
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
	last := u.Job.Done() && u.Revision > 0
	return w.yield(u, nil) && !last
}
