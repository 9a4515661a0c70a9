package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// taskRetry paces what could not be done for a task now.
var taskRetry = link.Backoff{First: 500 * time.Millisecond, Max: 30 * time.Second}

// drive does the one next thing for a task, if it can be done now. It may be
// called at any time: it asks what is true.
func (a *Agent) drive(ctx context.Context, e *entry) {
	if e.busy || e.retryAt.After(time.Now()) {
		return
	}
	if e.overtaken() {
		a.handed(e, e.attempt())
	}
	if e.asked != nil && e.asked.Capsule != nil && e.seen.Attempt < e.asked.Attempt && !a.judge(ctx, e) {
		return
	}
	switch act := e.action(); act {
	case actNothing:
	case actDrop:
		a.drop(e)
	case actFetch:
		a.fetch(e)
	case actCopy:
		a.copyThen(e)
	case actStart, actDecline, actSignal, actWithdraw, actRelease:
		a.call(ctx, e, act)
	}
}

// judge verifies what was asked, and reports whether there is more to do. A
// ping is answered here and now.
func (a *Agent) judge(ctx context.Context, e *entry) (more bool) {
	if a.incarnation.IsZero() {
		return false // only a command from the cache comes so early
	}
	ctx, span := a.judging(ctx, e)
	now := time.Now()
	d := e.asked
	v := judge{a.host, a.incarnation, a.bundle, a.deps.Frozen}.verify(now, *d)
	e.ticket, e.remember = v.ticket, v.remember
	e.seen, e.detail = task.Report{Attempt: d.Attempt, State: task.Dispatched}, job.Detail{}
	e.refusal, e.why, e.told = v.refusal, v.why, 0
	a.judged(ctx, span, e)
	if !v.taken() {
		a.log.WarnContext(ctx, "command is not taken", slog.String("job", e.id.String()), slog.String("outcome", v.refusal.State.String()),
			slog.String("reason", v.refusal.Exit.Reason.String()), slog.Any("error", v.why))
		return true
	}
	if v.payload.Command.Kind == capsule.Ping {
		a.answerPing(ctx, e, now)
		return false
	}
	e.order, e.parent = orderOf(v.payload, d.Attempt, v.ticket), v.payload.Parent
	return true
}

// answerPing settles a ping without a process and without a record.
func (a *Agent) answerPing(ctx context.Context, e *entry, now time.Time) {
	r := task.Report{Attempt: e.seen.Attempt, State: task.Succeeded}
	if e.want >= task.DesiredWithdraw {
		r = withdrawn(e.seen.Attempt)
	}
	e.memory, e.seen = true, r
	e.detail.EndedAt = now
	if e.cached { // it was refused before, for want of a bundle
		a.work.Go(func() { a.onDisk(func() { a.forgetCopy(ctx, e.id.String()) }) })
	}
	a.handed(e, r.Attempt)
	a.say(e)
}

// withdrawn is the outcome of an attempt that is not to start any more.
func withdrawn(attempt uint32) task.Report {
	return task.Report{Attempt: attempt, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}
}

// copyThen puts a command into the cache and then goes on. A cache that cannot
// take it costs only this: it is not acknowledged before the executor has it.
func (a *Agent) copyThen(e *entry) {
	d := *e.asked
	e.busy, e.copied = true, true
	a.work.Go(func() {
		content, err := encodeCopy(d)
		if err == nil {
			a.onDisk(func() { err = a.deps.State.Save(copyName(d.Job), content, false) })
		}
		a.post(func(ctx context.Context) {
			e.busy = false
			if a.tasks[e.id] != e {
				a.forgetCopy(ctx, e.id.String())
				return
			}
			if err != nil {
				a.log.WarnContext(ctx, "cannot keep a copy of a command", slog.String("job", e.id.String()), slog.Any("error", err))
			} else {
				a.keep(e)
			}
			a.drive(ctx, e)
		})
	})
}

// onDisk bounds how many goroutines are in the file system: each there takes a
// thread, and threads are what makes an agent large.
func (a *Agent) onDisk(do func()) {
	a.disk <- struct{}{}
	defer func() { <-a.disk }()
	do()
}

// keep notes that a command is in the cache.
func (a *Agent) keep(e *entry) {
	if !e.cached {
		e.cached = true
		a.cached++
	}
	if a.cached <= mostCached {
		a.acknowledge(e)
	}
}

// mostCached is how many commands are acknowledged that the executor does not
// have: beyond it the window of commands closes.
const mostCached = 256

// call makes one call to the executor for a task.
func (a *Agent) call(ctx context.Context, e *entry, act act) {
	if a.away || !a.snapshot {
		return // it goes on when the executor is back
	}
	switch {
	case act != actStart:
	case time.Now().After(e.order.Spec.StartBy):
		act, e.refusal = actDecline, expired(e.seen.Attempt)
	case a.parentLives(e) && !planted.Bug("a retry runs beside its parent"):
		act, e.refusal, e.why = actDecline, refused(task.ParentLives), fmt.Errorf("%w: job %s", errParentLives, e.parent)
		e.refusal.Attempt = e.seen.Attempt
		a.log.WarnContext(ctx, "retry is not taken: its parent lives here", slog.String("job", e.id.String()), slog.String("parent", e.parent.String()))
	default: // it was judged when it came, and may have waited for the executor since
		if why := (judge{frozen: a.deps.Frozen}).thawed(time.Now()); why != nil {
			act, e.refusal, e.why = actDecline, refused(task.Frozen), why
			e.refusal.Attempt = e.seen.Attempt
			a.log.WarnContext(ctx, "command is not handed over", slog.String("job", e.id.String()), slog.Any("error", why))
		}
	}
	e.busy = true
	if e.failures < tracedTries {
		ctx = obs.WithTraceParent(ctx, e.trace)
	}
	order, refusal, want, named, heard, cached := e.order, e.refusal, e.want, e.named(time.Now()), a.heard, e.asked != nil
	a.work.Go(func() {
		var answer Answer
		var err error
		switch act {
		case actStart:
			answer, err = a.deps.Executor.Start(ctx, order)
		case actDecline:
			answer, err = a.deps.Executor.Decline(ctx, named, refusal)
		case actSignal:
			answer, err = a.deps.Executor.Signal(ctx, named)
		case actWithdraw: // the attempt's record says which was first, this or the start
			answer, err = a.deps.Executor.Decline(ctx, named, withdrawn(named.Attempt))
		case actRelease:
			_, err = a.deps.Executor.Release(ctx, named.ID, heard)
			answer.Acceptance = Released
		case actNothing, actFetch, actCopy, actDrop: // none of the executor's
		}
		if cached && err == nil && answer.Acceptance != Busy {
			a.onDisk(func() { a.forgetCopy(ctx, named.ID) })
		}
		a.post(func(ctx context.Context) {
			e.busy = false
			if a.tasks[e.id] == e {
				a.answered(ctx, e, reply{act, named.Attempt, want, answer, err})
			}
		})
	})
}

// parentLives reports whether the task that this one retries runs on this host,
// or may still be started here: two of them at a time nobody has asked for. It is
// asked when the task is handed over, and the executor's word is at hand: an
// attempt that is started then is never refused for it.
func (a *Agent) parentLives(e *entry) bool {
	parent := a.tasks[e.parent]
	return !e.parent.IsZero() && parent != nil && !parent.settled()
}

// reply is what came of a call to the executor.
type reply struct {
	act     act
	attempt uint32
	want    task.Desired // that was in force
	answer  Answer
	err     error
}

// answered takes the executor's answer.
func (a *Agent) answered(ctx context.Context, e *entry, r reply) {
	switch {
	case errors.Is(r.err, wire.ErrInvalid) && r.act == actStart:
		// It can never be started. Only a decision on the disk lets the task settle.
		a.log.ErrorContext(ctx, "executor cannot carry out a command", slog.String("job", e.id.String()), slog.Any("error", r.err))
		e.refusal, e.why = refused(task.Malformed), r.err
		e.refusal.Attempt = r.attempt
	case r.err != nil || r.answer.Acceptance == Busy:
		a.log.WarnContext(ctx, "executor does not take a command now", slog.String("job", e.id.String()), slog.Any("error", r.err))
		a.retryLater(e)
		if e.cached {
			a.keep(e)
		}
	case r.act == actRelease || r.answer.Acceptance == Released && planted.Bug("what was forgotten is not said"):
		a.handed(e, r.attempt)
		a.drop(e)
		return
	case r.answer.Acceptance == PastW, r.answer.Acceptance == Released:
		// It was released on the word of an owner, and now one asks for it: the store
		// was restored between the two, or this was long under way. The owner knows.
		e.pastW, e.forgotten = true, r.answer.Acceptance == Released
		a.handed(e, r.attempt)
		a.say(e)
	default:
		r.answer.Command.Detail.Message = cmp.Or(r.answer.Command.Detail.Message, wordsOf(e.why, r.answer.Command.Report))
		if r.act == actSignal || r.act == actWithdraw {
			e.told = max(e.told, r.want)
		}
		a.handed(e, r.attempt)
		a.observe(ctx, r.answer.Command)
	}
	a.drive(ctx, e)
}

// handed notes that the executor has an attempt, or need not have it. A later
// attempt that came meanwhile is not touched.
func (a *Agent) handed(e *entry, attempt uint32) {
	if e.attempt() > attempt {
		return
	}
	if e.cached {
		a.cached--
	}
	e.clearHandover()
	a.acknowledge(e)
}

// acknowledge counts the items that wait for a task as taken over.
func (a *Agent) acknowledge(e *entry) {
	for _, it := range e.waits {
		a.took(it)
	}
	e.waits = nil
}

// drop forgets a task here.
func (a *Agent) drop(e *entry) {
	if e.cached {
		a.cached--
	}
	a.acknowledge(e)
	delete(a.tasks, e.id)
	delete(a.retries, e.id)
	a.outbox.Forget(e.id)
	a.held.forget(e.id)
	a.setLive(e.id, false)
}
