package retention

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// After a step the janitor rests three times as long as the step took, waiting
// for its turn included: it takes at most a quarter of the time of the store, and
// less the more others write.
const (
	rests     = 3
	leastRest = 5 * time.Millisecond
	mostRest  = 5 * time.Second
)

// hold is how long a step may keep others from writing: less than they notice.
const hold = 5 * time.Millisecond

// Janitor sweeps the store. Make it with [New].
type Janitor struct {
	cfg   Config
	store store.Janitor
	log   *slog.Logger

	jobs, rows metric.Int64Counter
	took       metric.Float64Histogram
	size       atomic.Int64 // of the store, as last seen; 0: it is not this process that sweeps
}

// New returns a janitor that does not sweep yet.
func New(cfg Config, s store.Janitor, log *slog.Logger, t obs.Telemetry) *Janitor {
	j := &Janitor{
		cfg: cfg, store: s, log: log,
		jobs: t.Counter(obs.RetainedJobs), rows: t.Counter(obs.RetainedRows), took: t.Histogram(obs.RetentionStep),
	}
	t.Gauge(obs.StoreSize, func(observe func(int64, ...attribute.KeyValue)) { observe(j.size.Load()) })
	return j
}

// Run sweeps under an ownership of the host table until ctx ends, or until
// another owns it; then the error is a store.ErrFenced. Any other fault of the
// store costs time only.
func (j *Janitor) Run(ctx context.Context, epoch job.Epoch) error {
	defer j.size.Store(0)
	w := &watch{Janitor: j}
	for {
		err := w.pass(ctx, epoch)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrFenced):
			return err
		}
		w.note(ctx, err)
		lifecycle.Pause(ctx, j.cfg.Interval)
	}
}

// watch is one ownership: what was said is not said again.
type watch struct {
	*Janitor
	failing, full bool
	done          store.Swept // in the pass, together
	last          store.Swept // of its steps
	began         time.Time
}

// pass sweeps until nothing is left to do.
func (w *watch) pass(ctx context.Context, epoch job.Epoch) error {
	w.done, w.last, w.began = store.Swept{}, store.Swept{}, time.Now()
	for from := int64(0); ; {
		began := time.Now()
		done, err := w.store.Sweep(ctx, w.policy(epoch, began, from))
		if err != nil {
			return err
		}
		took := time.Since(began)
		w.took.Record(ctx, took.Seconds())
		w.count(ctx, done)
		if from = done.Next; from == 0 {
			return nil
		}
		lifecycle.Pause(ctx, min(max(rests*took, leastRest), mostRest))
	}
}

func (w *watch) policy(epoch job.Epoch, now time.Time, from int64) store.Sweep {
	return store.Sweep{
		Epoch: epoch, Now: now.UTC(), Age: w.cfg.Age, Bytes: w.cfg.Bytes, Least: w.cfg.Least, IDs: w.cfg.IDs, Limit: w.cfg.Step, Hold: hold, From: from,
	}
}

func (w *watch) count(ctx context.Context, done store.Swept) {
	w.jobs.Add(ctx, int64(done.Jobs))
	w.rows.Add(ctx, int64(done.Rows))
	w.size.Store(done.Bytes)
	w.done.Jobs, w.done.Rows, w.done.IDs = w.done.Jobs+done.Jobs, w.done.Rows+done.Rows, w.done.IDs+done.IDs
	w.last = done
}

// note says what a person wants to know of a pass.
func (w *watch) note(ctx context.Context, err error) {
	switch {
	case err != nil && !w.failing:
		w.log.WarnContext(ctx, "retention cannot remove jobs; trying again", "after", w.cfg.Interval, "error", err)
	case err == nil && w.failing:
		w.log.InfoContext(ctx, "retention removes jobs again")
	}
	w.failing = err != nil
	if w.done.Jobs > 0 {
		w.log.InfoContext(ctx, "retention has removed jobs", "jobs", w.done.Jobs, "rows", w.done.Rows, "ids_forgotten", w.done.IDs,
			"store_bytes", w.last.Bytes, "took", time.Since(w.began))
	}
	if err != nil {
		return
	}
	full := w.cfg.Bytes > 0 && w.last.Bytes > w.cfg.Bytes && w.last.Rows == 0 // it could do nothing
	if full && !w.full {
		w.log.WarnContext(ctx, "the job store holds more than retention.bytes, and no job in it may go yet: only what is done goes, after retention.least",
			"store_bytes", w.last.Bytes, "retention_bytes", w.cfg.Bytes, "retention_least", w.cfg.Least)
	}
	w.full = full
}
