package fakehost

import (
	"context"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// piece is how many bytes of an output come at a time.
const piece = 64 << 10

// Say lets a command that runs write something.
func (h *Host) Say(id string, stream job.Stream, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.commands[id]; c != nil {
		c.said[stream-job.Stdout] = append(c.said[stream-job.Stdout], content...)
		h.tellViewers()
	}
}

// tellViewers wakes those who follow an output. The caller holds mu.
func (h *Host) tellViewers() {
	close(h.news)
	h.news = make(chan struct{})
}

// FollowOutput implements agent.Executor. While a command runs all that it wrote
// is kept.
func (h *Host) FollowOutput(ctx context.Context, id string, v wire.View, each func(wire.OutputPiece) error) error {
	for next := v.Offset; ; {
		p, news, err := h.look(id, v, next)
		if err != nil {
			return err
		}
		if news == nil {
			if err := each(p); err != nil || p.End {
				return err
			}
			next = p.Next()
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look is the next piece, or what to wait for.
func (h *Host) look(id string, v wire.View, next uint64) (wire.OutputPiece, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return wire.OutputPiece{}, nil, errAway
	}
	c := h.commands[id]
	if c == nil || v.Attempt != c.Report.Attempt {
		return wire.OutputPiece{}, nil, fmt.Errorf("%w: attempt %d of command %q has no output here", wire.ErrNotFound, v.Attempt, id)
	}
	said, ended := c.said[v.Stream-job.Stdout], c.Report.State.Final()
	kept := spool.Drained{Kept: uint64(len(said))}
	if ended && len(c.Detail.Outputs) > 0 {
		ref := c.Detail.Outputs[v.Stream-job.Stdout]
		kept = spool.Drained{Kept: ref.Size, Tail: ref.Tail, Cut: ref.Cut}
	}
	at := kept.Next(next)
	upTo := min(at+piece, kept.Total())
	if at < kept.Head() {
		upTo = min(upTo, kept.Head())
	}
	switch {
	case at < upTo:
		return wire.OutputPiece{Offset: at, Content: said[at:upTo:upTo]}, nil, nil
	case ended || !v.Follow:
		return wire.OutputPiece{End: true, Total: kept.Total(), Ended: ended}, nil, nil
	}
	return wire.OutputPiece{}, h.news, nil
}
