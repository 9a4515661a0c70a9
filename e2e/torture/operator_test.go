package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// look is how often an operator looks after a job.
const look = 200 * time.Millisecond

// jobsOfOne is how many jobs an operator can run: a minute takes about 20.
const jobsOfOne = 1000

// operator runs one job after the other, as a person does who repeats what was
// not answered.
type operator struct {
	c      cluster
	rand   *rand.Rand
	blank  []rig.Witness // for jobs to come: only the test's own goroutine can make them
	done   []*work
	faults []error
}

func newOperator(t *testing.T, c cluster, r *rand.Rand) *operator {
	t.Helper()
	return &operator{c: c, rand: r, blank: rig.NewWitnesses(t, jobsOfOne)}
}

// work begins jobs until a time, and sees each to its end.
func (op *operator) work(ctx context.Context, until time.Time) {
	for n := 0; time.Now().Before(until) && n < len(op.blank); n++ {
		w := draw(op.rand, op.blank[n])
		if err := op.see(ctx, w); err != nil {
			op.faults = append(op.faults, fmt.Errorf("a job of kind %s (%s): %w", w.kind, w.id, err))
			return
		}
		op.done = append(op.done, w)
	}
}

// see submits a job, takes it past its pause points and waits for its end.
func (op *operator) see(ctx context.Context, w *work) error {
	signed, err := op.sign(ctx, w)
	if err != nil {
		return err
	}
	w.id = signed.ID
	if err := again(ctx, func(ctx context.Context) error { _, err := op.c.SDK.Submit(ctx, signed); return err }); err != nil {
		return err
	}
	for {
		var j client.Job
		err := again(ctx, func(ctx context.Context) (err error) { j, err = op.c.SDK.Job(ctx, w.id); return err })
		switch {
		case err != nil:
			return err
		case j.Done():
			return op.collect(ctx, w, j)
		case j.State == "PAUSED":
			err = op.goOn(ctx, w, j)
		case w.cancelAt > 0 && j.Settled() >= w.cancelAt:
			err = again(ctx, func(ctx context.Context) error { _, err := op.c.SDK.Cancel(ctx, w.id, client.Cancel{}); return err })
			w.cancelAt = 0
		}
		if err != nil {
			return err
		}
		lifecycle.Pause(ctx, look)
	}
}

// sign makes the job out of what it was drawn as.
func (op *operator) sign(ctx context.Context, w *work) (signed *client.Signed, err error) {
	err = again(ctx, func(ctx context.Context) error {
		targets, err := op.c.SDK.Resolve(ctx, w.request)
		if err != nil {
			return err
		}
		signed, err = op.c.SDK.Sign(w.request, targets)
		return err
	})
	return signed, err
}

// goOn takes a paused job to some later point, and says so more than once. How
// far it may go stands in the witness's file before anybody is asked.
func (op *operator) goOn(ctx context.Context, w *work, j client.Job) error {
	how, limit := w.further(op.rand, j)
	if err := w.says(fmt.Sprintf("limit:%d", limit)); err != nil {
		return err
	}
	how.RequestID = fmt.Sprintf("%s-%d", w.id, j.ControlRevision)
	how.ExpectedControlRevision = j.ControlRevision
	for range 1 + op.rand.IntN(3) {
		err := again(ctx, func(ctx context.Context) error { _, err := op.c.SDK.Resume(ctx, w.id, how); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

// collect reads all that CCS says of a job that is done.
func (op *operator) collect(ctx context.Context, w *work, j client.Job) error {
	w.job = j
	return again(ctx, func(ctx context.Context) error {
		w.tasks = nil
		for task, err := range op.c.SDK.Tasks(ctx, w.id, client.TaskFilter{}) {
			if err != nil {
				return err
			}
			w.tasks = append(w.tasks, task)
		}
		return nil
	})
}

// again repeats what nobody answers, or not in time: that is what the killer is
// for. Any other answer is a fault.
func again(ctx context.Context, call func(context.Context) error) error {
	for {
		err := one(ctx, call)
		switch client.CodeOf(err) {
		case client.Unavailable, client.Canceled:
		default:
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not within the time: %w", err)
		}
		lifecycle.Pause(ctx, look)
	}
}

func one(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return call(ctx)
}
