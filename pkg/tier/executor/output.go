package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of reading outputs.
const (
	chunk      = 64 << 10 // bytes in one message, and held for one reader
	maxViewers = 16       // outputs that are followed at a time
)

// How often somebody who follows an output looks whether there is more: often
// while it comes, seldom while it does not. Whoever writes it is not asked, and
// so not slowed.
const (
	lookSoon = 5 * time.Millisecond
	lookLate = 200 * time.Millisecond
)

// viewing is one reader of an output.
type viewing struct {
	e       *Executor
	id      string
	attempt uint32
	dir     *spool.Command
	out     *spool.Output
	buf     []byte
	next    uint64 // offset of the next byte that it wants
	send    func(*executorv1.FetchOutputResponse) error
}

// fetchOutput sends an output from an offset: what there is now, or until the
// attempt has ended. A reader that is slower than the command misses what has
// made way meanwhile, and sees from the offsets which bytes that were.
func (e *Executor) fetchOutput(ctx context.Context, r *executorv1.FetchOutputRequest, send func(*executorv1.FetchOutputResponse) error) error {
	stream := int(r.GetStream() - typesv1.Stream_STREAM_STDOUT)
	if stream < 0 || stream >= len(spool.Streams) {
		return fmt.Errorf("%w: the stream must be STDOUT or STDERR", wire.ErrInvalid)
	}
	v := &viewing{e: e, id: r.GetCommandId(), attempt: r.GetAttempt(), next: r.GetOffset(), send: send}
	if _, err := v.ended(ctx); err != nil {
		return err
	}
	if r.GetFollow() {
		select {
		case e.viewing <- struct{}{}:
			defer func() { <-e.viewing }()
		default:
			return fmt.Errorf("%w: %d outputs are being followed on this host already; end some, or ask again later", wire.ErrTooMuch, maxViewers)
		}
	}
	dir, err := e.root.Command(v.id)
	if errors.Is(err, spool.ErrMissing) { // it never had a directory, unless it was released just now
		if _, err := v.ended(ctx); err != nil {
			return err
		}
		return v.end(v.next, true)
	}
	if err != nil {
		return fmt.Errorf("%w: cannot read the kept output: %w", wire.ErrUnavailable, err)
	}
	defer dir.Close()
	v.dir, v.out, v.buf = dir, dir.OpenOutput(v.attempt, stream), make([]byte, chunk)
	defer v.out.Close()
	if err = v.follow(ctx, stream, r.GetFollow()); errors.Is(err, spool.ErrOutputLost) {
		if _, gone := v.ended(ctx); gone != nil {
			return gone // it was released meanwhile
		}
		return fmt.Errorf("%w: output of command %q: %w", wire.ErrUnavailable, v.id, err)
	}
	return err
}

func (v *viewing) follow(ctx context.Context, stream int, on bool) error {
	for pause := lookSoon; ; pause = min(2*pause, lookLate) {
		ended, err := v.ended(ctx) // before the reading: what was written before is read then
		if err != nil {
			return err
		}
		if ended {
			return v.rest(stream)
		}
		from := v.next
		more, err := v.present()
		if err != nil {
			return err
		}
		if !on && !more {
			return v.end(v.next, false)
		}
		if v.next > from {
			pause = lookSoon
		}
		if more {
			pause = 0
		}
		if err := v.wait(ctx, pause); err != nil {
			return err
		}
		pause = max(pause, lookSoon)
	}
}

// ended reports whether the attempt has an outcome. The error is that there is
// no such output here.
func (v *viewing) ended(ctx context.Context) (bool, error) {
	return ask(ctx, v.e, func(_ context.Context, reply func(bool, error)) {
		c := v.e.commands[v.id]
		if c == nil || unborn(c) || c.leaving || v.attempt < 1 || v.attempt > c.attempt {
			reply(false, fmt.Errorf("%w: attempt %d of command %q has no output here; it may have been released", wire.ErrNotFound, v.attempt, v.id))
			return
		}
		reply(v.attempt < c.attempt || c.report.State.Final(), nil)
	})
}

// present sends what is there now, some of it at a time.
func (v *viewing) present() (more bool, err error) {
	const atOnce = 64
	for range atOnce {
		at, n, err := v.out.Read(v.next, v.buf)
		if err != nil {
			return false, fmt.Errorf("%w: cannot read the output: %w", wire.ErrUnavailable, err)
		}
		if n == 0 {
			return false, nil
		}
		if err := v.pass(at, v.buf[:n]); err != nil {
			return false, err
		}
	}
	return true, nil
}

// rest sends what the outcome says is kept, and the end.
func (v *viewing) rest(stream int) error {
	o, err := v.dir.Outcome(v.attempt)
	if err != nil && !errors.Is(err, spool.ErrMissing) {
		return fmt.Errorf("%w: cannot read what became of command %q: %w", wire.ErrUnavailable, v.id, err)
	}
	kept := o.Output(stream)
	if err := v.out.Kept(kept, v.next, v.buf, v.pass); err != nil {
		return err
	}
	return v.end(kept.Total(), true)
}

func (v *viewing) pass(at uint64, content []byte) error {
	v.next = at + uint64(len(content))
	return v.send(&executorv1.FetchOutputResponse{Offset: at, Content: content}) // encoded before it returns
}

func (v *viewing) end(total uint64, ended bool) error {
	return v.send(&executorv1.FetchOutputResponse{End: &typesv1.OutputEnd{Total: total, Ended: ended}})
}

func (v *viewing) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-v.e.stopped:
		return errStopping
	case <-v.e.hangUp:
		return errStopping
	}
}
