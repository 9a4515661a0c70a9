package agent

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// entry finds a task, or begins it.
func (a *Agent) entry(id job.ID) *entry {
	e := a.tasks[id]
	if e == nil {
		e = &entry{id: id, want: task.DesiredRun}
		a.tasks[id] = e
	}
	return e
}

// command takes one command of a reply. Whatever is known of its attempt is said
// again; only a new attempt is verified and handed over.
func (a *Agent) command(ctx context.Context, c *sessionv1.Command, it item) {
	d, err := wire.DeliveryFromProto(c)
	if err != nil {
		a.unreadable(ctx, c, it, err)
		return
	}
	e := a.tasks[d.Job]
	if e != nil && e.knows(d.Attempt) {
		e.wish(d.Want)
		a.await(e, it)
		a.say(e)
		a.drive(ctx, e)
		return
	}
	e = a.entry(d.Job)
	e.asked, e.trace = &d, traceOf(ctx, c.GetTraceParent())
	e.want = max(e.want, d.Want)
	a.await(e, it)
	a.drive(ctx, e)
}

// unreadable refuses a command that is not of the form that the contract
// demands, so that its task settles and no other suffers. If not even its job
// can be read there is nothing to say to anybody but an operator.
func (a *Agent) unreadable(ctx context.Context, c *sessionv1.Command, it item, why error) {
	id, err := wire.JobID(c.GetJobId())
	if err != nil || c.GetAttempt() == 0 {
		a.log.ErrorContext(ctx, "command without a job or an attempt is left out", slog.Any("error", why))
		a.took(it)
		return
	}
	e := a.tasks[id]
	if e != nil && e.knows(c.GetAttempt()) {
		a.took(it)
		a.say(e)
		return
	}
	e = a.entry(id)
	e.trace = traceOf(ctx, c.GetTraceParent())
	judging, span := a.judging(ctx, e)
	a.log.WarnContext(judging, "command is malformed", slog.String("job", id.String()), slog.Any("error", why))
	e.ticket, e.why, e.remember = ticketFor(c.GetPool(), c.GetClass(), c.GetProof().GetIndex()), why, time.Now().Add(longestE)
	e.seen = task.Report{Attempt: c.GetAttempt(), State: task.Dispatched}
	e.refusal = refused(task.Malformed)
	e.refusal.Attempt = c.GetAttempt()
	a.judged(judging, span, e)
	e.waits = append(e.waits, it)
	a.drive(ctx, e)
}

// wished takes the wish that a task ends, or is withdrawn. What is not known here
// comes again as a command with the wish, when its owner asks.
func (a *Agent) wished(ctx context.Context, s *sessionv1.Stop, want task.Desired, it item) {
	id, _, err := wire.StopFromProto(s)
	e := a.tasks[id]
	if err != nil || e == nil {
		a.took(it)
		return
	}
	e.wish(want)
	a.await(e, it)
	a.drive(ctx, e)
}

// forget takes the word that an outcome is durable above. Of a task without an
// outcome nobody can rightly say so: it is not touched, since what it becomes
// would be lost, and is said when it has one.
func (a *Agent) forget(ctx context.Context, raw []byte) {
	id, err := wire.JobID(raw)
	e := a.tasks[id]
	if err != nil || e == nil {
		return
	}
	if !e.settled() && !planted.Bug("what runs may be forgotten") {
		a.log.ErrorContext(ctx, "aggregator forgets a command that has not ended; it is kept", slog.String("job", id.String()),
			slog.String("state", e.seen.State.String()), slog.Uint64("attempt", uint64(e.attempt())))
		return
	}
	e.wish(task.DesiredGone)
	a.outbox.Forget(id)
	a.held.forget(id)
	a.drive(ctx, e)
}

// await acknowledges an item when its task is in the cache as it is now, or was
// handed over: at once, if that is so.
func (a *Agent) await(e *entry, it item) {
	if e.asked != nil && (!e.copied || e.busy || a.cached > mostCached) {
		e.waits = append(e.waits, it)
		return
	}
	a.took(it)
}

// took counts an item of the present session as taken over.
func (a *Agent) took(it item) {
	if s := a.session; s != nil && s.place == it.session {
		s.taken.done(it.reply)
		if it.class != "" {
			s.owed[it.class]++
		}
	}
}

// say puts a task's report into the outbox, if there is anything to say.
func (a *Agent) say(e *entry) {
	if e.says() {
		a.held.forget(e.id)
		a.outbox.Put(e.id)
	}
}

// observe takes what the executor says of a command.
func (a *Agent) observe(ctx context.Context, c wire.HostCommand) {
	id, err := job.ParseID(c.ID)
	if err != nil {
		a.log.DebugContext(ctx, "executor runs a command that is not ours", slog.String("command_id", c.ID))
		return
	}
	e := a.entry(id)
	if t, err := parseTicket(c.Context); err == nil {
		e.ticket = t
	} else {
		a.log.WarnContext(ctx, "executor returns a context that cannot be read", slog.String("job", id.String()), slog.Any("error", err))
	}
	if !c.RememberUntil.IsZero() {
		e.remember = c.RememberUntil
	}
	c.Detail.Message = cmp.Or(c.Detail.Message, wordsOf(e.why, c.Report))
	if task.Conflict(e.seen, c.Report) {
		a.log.ErrorContext(ctx, "executor says two outcomes of one attempt", slog.String("job", id.String()),
			slog.String("first", e.seen.State.String()), slog.String("second", c.Report.State.String()))
	}
	switch grown := task.Compare(c.Report, e.seen); {
	case grown < 0, grown == 0 && c.Detail.Overdue == e.detail.Overdue:
	default:
		e.seen, e.detail, e.pastW, e.forgotten = c.Report, c.Detail, false, false
		e.delivery = delivery{}
		a.say(e)
	}
	a.setLive(e.id, e.live())
	a.drive(ctx, e)
}

// setLive keeps the set of commands that are accepted and have not ended.
func (a *Agent) setLive(id job.ID, live bool) {
	if _, was := a.live[id]; was == live {
		return
	}
	a.digest = nil
	if live {
		a.live[id] = struct{}{}
	} else {
		delete(a.live, id)
	}
}
