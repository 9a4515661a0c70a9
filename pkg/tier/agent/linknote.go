package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/host/spool"
)

// linkEvery is how old the word of a session may be that goes on.
const linkEvery = 30 * time.Second

// noteLink writes down what there is to say of the way up, for who is logged in
// on the host. Nothing is lost with it, so it is not synced.
func (a *Agent) noteLink(ctx context.Context, now time.Time) {
	a.linkNoted = now
	l := spool.Link{Since: now, Heard: now, ServerTime: a.heard, Version: a.deps.Facts["agent_version"]}
	if s := a.session; s != nil {
		l.Aggregator, l.Address, l.Since = s.aggregator, s.address, s.opened
	} else {
		l.Heard, l.ServerTime = time.Time{}, time.Time{}
	}
	if err := a.deps.State.Save(spool.LinkFile, l.Encode(), false); err != nil {
		a.log.WarnContext(ctx, "cannot write down the state of the session", slog.Any("error", err))
	}
}
