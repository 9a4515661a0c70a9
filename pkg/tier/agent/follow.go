package agent

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// followRetry paces looking for an executor that is away.
var followRetry = link.Backoff{First: 200 * time.Millisecond, Max: 3 * time.Second}

// tellTimeEvery is how often the executor hears the time from above at least, so
// that it can purge on a host where nothing is released.
const tellTimeEvery = 10 * time.Minute

// follow watches the executor until ctx ends, beside the loop.
func (a *Agent) follow(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		err := a.watch(ctx, &failures)
		if ctx.Err() != nil {
			return
		}
		failures++
		a.post(func(ctx context.Context) { a.executorLost(ctx, err) })
		pause(ctx, followRetry.Delay(failures, rand.Float64())) //nolint:gosec // jitter needs no secret randomness
	}
}

func (a *Agent) watch(ctx context.Context, failures *int) error {
	info, err := a.deps.Executor.Info(ctx, time.Time{})
	if err != nil {
		return err
	}
	a.post(func(ctx context.Context) { a.executorFound(ctx, info) })
	return a.deps.Executor.Watch(ctx, func(news News) error {
		*failures = 0
		a.post(func(ctx context.Context) { a.executorSays(ctx, news) })
		return ctx.Err()
	})
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// executorFound: it answers. Another incarnation means that its state was lost,
// and so all that was known here is of a host that is no more.
func (a *Agent) executorFound(ctx context.Context, info Info) {
	a.learn(factsOf(info))
	if a.incarnation == info.Incarnation {
		return
	}
	if !a.incarnation.IsZero() {
		a.log.WarnContext(ctx, "executor has a new incarnation; what was known of the old one is dropped", slog.Int("tasks", len(a.tasks)))
		a.reset(ctx)
	}
	a.incarnation = info.Incarnation
	for _, e := range a.tasks {
		a.drive(ctx, e)
	}
}

// reset forgets everything that belongs to an incarnation.
func (a *Agent) reset(ctx context.Context) {
	for _, e := range a.tasks {
		if e.asked != nil {
			a.forgetCopy(ctx, e.id.String())
		}
	}
	clear(a.tasks)
	clear(a.live)
	clear(a.retries)
	a.outbox, a.held, a.digest, a.cached = link.NewOutbox[job.ID](), newHeldBack(), nil, 0
	a.snapshot = false
	if a.session != nil {
		a.session.stop(errIncarnation)
	}
}

// executorSays takes a piece of the snapshot, or changes.
func (a *Agent) executorSays(ctx context.Context, news News) {
	for _, c := range news.Commands {
		a.observe(ctx, c)
	}
	if !news.Complete {
		return
	}
	if a.away {
		a.log.InfoContext(ctx, "executor is back", slog.Int("waiting", a.cached))
	}
	a.away, a.snapshot = false, true
	for _, e := range a.tasks {
		if e.want >= task.DesiredWithdraw && e.live() {
			e.told = 0 // it may have been told and died before it wrote it down
		}
		a.retry(ctx, e)
	}
}

// executorLost: it cannot be reached. What waits for it goes on when it is back.
func (a *Agent) executorLost(ctx context.Context, err error) {
	if !a.away {
		a.log.WarnContext(ctx, "executor is away; commands wait for it", slog.Any("error", err))
		if a.session != nil {
			a.session.beatAt = time.Now()
		}
	}
	a.away = true
}

// tellTime passes the time from above on, now and then.
func (a *Agent) tellTime(ctx context.Context, now time.Time) {
	if a.away || a.heard.IsZero() || now.Sub(a.heardTold) < tellTimeEvery {
		return
	}
	a.heardTold = now
	heard := a.heard
	a.work.Go(func() {
		if _, err := a.deps.Executor.Info(ctx, heard); err != nil {
			a.log.DebugContext(ctx, "executor cannot be told the time", slog.Any("error", err))
		}
	})
}
