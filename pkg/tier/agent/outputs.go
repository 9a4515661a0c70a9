package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// lanes bounds the fetching of outputs in one session: a few small ones side by
// side, and one upload, which the small ones need not wait for.
type lanes struct{ small, large lane }

type lane struct {
	running int
	queue   []job.ID
}

const smallLanes = 4

// wantsOutputs reports whether an outcome's outputs have to be fetched before it
// can be reported in this session.
func (a *Agent) wantsOutputs(s *session, e *entry) bool {
	if e.pastW || e.memory || !e.seen.State.Final() || e.gathered == s.place {
		return false
	}
	return slices.ContainsFunc(e.detail.Outputs, func(o job.OutputRef) bool { return o.Size > 0 })
}

// gather fetches the outputs of an outcome, beside the loop.
func (a *Agent) gather(s *session, e *entry) {
	if e.gathering == s.place {
		return
	}
	e.gathering = s.place
	l, most := &s.lanes.small, smallLanes
	if slices.ContainsFunc(e.detail.Outputs, func(o job.OutputRef) bool { return o.Size > wire.MaxInline }) {
		l, most = &s.lanes.large, 1
	}
	if l.running >= most {
		l.queue = append(l.queue, e.id)
		return
	}
	a.gatherIn(s, e, l)
}

func (a *Agent) gatherIn(s *session, e *entry, l *lane) {
	l.running++
	seen, outputs := e.seen, slices.Clone(e.detail.Outputs)
	c := collector{executor: a.deps.Executor, session: s, id: e.id.String(), attempt: e.seen.Attempt, class: e.ticket.class}
	a.work.Go(func() {
		inline, refs, err := c.collect(s.stream.Context(), outputs)
		a.post(func(ctx context.Context) {
			l.running--
			if a.tasks[e.id] == e {
				a.gathered(ctx, s, e, seen, inline, refs, err)
			}
			a.nextInLane(s, l)
		})
	})
}

// nextInLane begins with the next one that still has to be fetched.
func (a *Agent) nextInLane(s *session, l *lane) {
	if a.session != s {
		return // the next session begins anew
	}
	for len(l.queue) > 0 {
		e := a.tasks[l.queue[0]]
		l.queue = l.queue[1:]
		if e != nil && e.gathering == s.place {
			a.gatherIn(s, e, l)
			return
		}
	}
}

// gathered takes the outputs of an outcome. What went wrong is tried again in a
// while; the next session begins anew, with all that was held back.
func (a *Agent) gathered(ctx context.Context, s *session, e *entry, seen task.Report, inline [][]byte, refs []job.OutputRef, err error) {
	if a.session != s {
		return
	}
	e.gathering = 0
	switch {
	case e.seen != seen:
		a.say(e)
	case errors.Is(err, wire.ErrNotFound):
		a.releasedBefore(ctx, e)
	case err != nil:
		a.log.WarnContext(ctx, "outputs of a command cannot be passed on now", slog.String("job", e.id.String()), slog.Any("error", err))
		a.retryLater(e)
	default:
		e.failures = 0
		e.inline, e.gathered = inline, s.place
		if !slices.Equal(refs, e.detail.Outputs) {
			a.log.ErrorContext(ctx, "executor does not have an output that it named; it counts as cut", slog.String("job", e.id.String()))
			e.detail.Outputs, e.detail.Signature = refs, nil
		}
		a.say(e)
	}
}

// releasedBefore: the executor does not know a command any more of which it has
// told. An agent before this one was told to forget it and passed that on, so
// that there is nothing to report. With another attempt to hand over, the
// executor's answer to that says what is to be done.
func (a *Agent) releasedBefore(ctx context.Context, e *entry) {
	a.log.InfoContext(ctx, "command was released while its outputs were fetched", slog.String("job", e.id.String()))
	if e.asked == nil {
		a.drop(e)
	}
}

// errOutputLost: what the executor has is not what it named.
var errOutputLost = errors.New("the output is not there as it was named")

// collector fetches the outputs of one attempt.
type collector struct {
	executor Executor
	session  *session
	id       string
	attempt  uint32
	class    string
}

// collect returns the contents of the small outputs, when the large ones are at
// the aggregator. Outputs that are lost for good come back as cut.
func (c collector) collect(ctx context.Context, outputs []job.OutputRef) (inline [][]byte, refs []job.OutputRef, err error) {
	for i, o := range outputs {
		var content []byte
		switch {
		case o.Size == 0:
			continue
		case o.Size <= wire.MaxInline:
			content, err = c.read(ctx, o)
		default:
			err = c.upload(ctx, o)
		}
		if errors.Is(err, errOutputLost) {
			outputs[i] = job.OutputRef{Stream: o.Stream, Cut: o.Cut + o.Size}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if content != nil {
			inline = append(inline, content)
		}
	}
	return inline, outputs, nil // what was lost is no error
}

// fetch passes the bytes of an output on and checks them against its name.
func (c collector) fetch(ctx context.Context, o job.OutputRef, each func([]byte) error) error {
	sum, size := sha256.New(), uint64(0)
	err := c.executor.FetchOutput(ctx, c.id, c.attempt, o.Stream, func(piece []byte) error {
		if size += uint64(len(piece)); size > o.Size {
			return errOutputLost
		}
		_, _ = sum.Write(piece) // a hash never fails
		return each(piece)
	})
	if err == nil && (size != o.Size || [32]byte(sum.Sum(nil)) != o.Digest) {
		return fmt.Errorf("%w: %d bytes of %d", errOutputLost, size, o.Size)
	}
	return err
}

func (c collector) read(ctx context.Context, o job.OutputRef) ([]byte, error) {
	var content bytes.Buffer
	err := c.fetch(ctx, o, func(piece []byte) error {
		_, err := content.Write(piece)
		return err
	})
	return content.Bytes(), err
}
