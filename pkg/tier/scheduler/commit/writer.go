package commit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Bounds of a group and of the pauses between two tries.
const (
	maxGroupBytes = 64 << 20 // of outputs and capsules; one batch may be larger
	firstPause    = 50 * time.Millisecond
	lastPause     = time.Second
)

// patience is how long a write may take before the store counts as one that does
// not answer.
const patience = 3 * time.Second

// ErrStuck says that a write to the store has been under way for too long.
var ErrStuck = errors.New("a write has been under way for more than 3 s")

// ErrEnded says that the writer has stopped before the fate of a batch was
// known: it may have been applied or not.
var ErrEnded = errors.New("the writer has stopped; whether the last batch was written is not known")

// Store is what the writer needs of a job store.
type Store interface {
	Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error)
}

// Writer groups commits. It is safe for concurrent use; make it with [New].
type Writer struct {
	store Store
	log   *slog.Logger
	meter meter
	in    chan *waiting
	ended chan struct{}
	fault atomic.Pointer[error]     // of the last try; nil: it succeeded, or there was none
	began atomic.Pointer[time.Time] // of the try that is under way; nil: none is
}

// waiting is a batch and who waits for it.
type waiting struct {
	batch store.Batch
	done  chan answer // takes one without waiting
}

type answer struct {
	result store.Result
	err    error
}

// New returns a writer; [Writer.Run] makes it write.
func New(s Store, log *slog.Logger, t obs.Telemetry) *Writer {
	return &Writer{store: s, log: log, meter: newMeter(t), in: make(chan *waiting), ended: make(chan struct{})}
}

// Fault is why the store could not be written to the last time, or ErrStuck
// while it does not answer; nil: it could, or nothing was to be written yet. It
// does not block.
func (w *Writer) Fault() error {
	if began := w.began.Load(); began != nil && time.Since(*began) > patience {
		return ErrStuck
	}
	if fault := w.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// Commit hands over a batch and returns when its fate is known. The error wraps
// store.ErrFenced or store.ErrBatch, and then nothing of it was applied; or it
// is ErrEnded. The end of ctx is heeded only before the batch has been taken.
// A shard has at most one batch on its way.
func (w *Writer) Commit(ctx context.Context, b store.Batch) (store.Result, error) {
	one := &waiting{batch: b, done: make(chan answer, 1)}
	select {
	case w.in <- one:
	case <-w.ended:
		return store.Result{}, ErrEnded
	case <-ctx.Done():
		return store.Result{}, context.Cause(ctx)
	}
	got := <-one.done
	if got.err == nil {
		got.err = got.result.Err
	}
	return got.result, got.err
}

// Run writes until ctx ends. It is to end after all who commit.
func (w *Writer) Run(ctx context.Context) error {
	defer close(w.ended)
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-w.in:
			w.write(ctx, w.gather(first))
		}
	}
}

// gather takes everybody who waits now.
func (w *Writer) gather(first *waiting) []*waiting {
	group, bytes := []*waiting{first}, weight(&first.batch)
	for bytes < maxGroupBytes {
		select {
		case next := <-w.in:
			group, bytes = append(group, next), bytes+weight(&next.batch)
		default:
			return group
		}
	}
	return group
}

// weight is about what a batch takes in a transaction, in bytes.
func weight(b *store.Batch) int {
	n := 0
	for i := range b.Jobs {
		if c := b.Jobs[i].Create; c != nil {
			n += len(c.Capsule) + 40*c.Targets.Len()
		}
		for _, o := range b.Jobs[i].Outputs {
			n += len(o.Content)
		}
	}
	return n
}

// write commits a group, and the very same group again as long as its fate is
// not known: the numbers of its batches make that harmless, and the answer says
// what a lost one would have said (store.Owner).
func (w *Writer) write(ctx context.Context, group []*waiting) {
	batches := make([]store.Batch, len(group))
	for i, one := range group {
		batches[i] = one.batch
	}
	var results []store.Result
	err := w.decide(ctx, batches, &results)
	for i, one := range group {
		if err != nil {
			one.done <- answer{err: err}
		} else {
			one.done <- answer{result: results[i]}
		}
	}
}

func (w *Writer) decide(ctx context.Context, batches []store.Batch, results *[]store.Result) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		got, err := w.commit(ctx, batches)
		if err == nil {
			if pause != firstPause {
				w.log.InfoContext(ctx, "the store answers again", "batches", len(batches), "after", time.Since(began))
			}
			*results = got
			return nil
		}
		if pause == firstPause {
			w.log.WarnContext(ctx, "cannot write to the store; trying the same again", "batches", len(batches), "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrEnded, err)
		case <-time.After(pause):
		}
	}
}

// commit is one try.
func (w *Writer) commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	began := time.Now()
	w.began.Store(&began)
	defer w.began.Store(nil)
	got, err := w.store.Commit(ctx, batches)
	planted.Do("a commit that failed counts as made", func() { got, err = append(got, make([]store.Result, len(batches))...)[:len(batches)], nil })
	w.meter.count(ctx, err, time.Since(began))
	if err != nil {
		w.fault.Store(&err)
	} else {
		w.fault.Store(nil)
	}
	return got, err
}
