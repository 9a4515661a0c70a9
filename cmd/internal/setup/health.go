package setup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// errStarting is why a process is not ready that has not said how it is.
var errStarting = errors.New("starting")

// health is how a process is: Run gives it its check on the way. It is safe for
// concurrent use.
type health struct {
	check    atomic.Pointer[obs.Check]
	draining <-chan struct{} // closed when the process was told to stop
	log      *slog.Logger

	mu   sync.Mutex
	said string // guarded by mu: the reason that the log has last; empty: ready
}

func newHealth(draining <-chan struct{}, log *slog.Logger) *health {
	return &health{draining: draining, log: log, said: errStarting.Error()}
}

// set says who knows how the process is.
func (h *health) set(check obs.Check) { h.check.Store(&check) }

// now is why the process is not ready, nil if it is.
func (h *health) now() error {
	select {
	case <-h.draining:
		return obs.ErrDraining
	default:
	}
	if check := h.check.Load(); check != nil {
		return (*check)()
	}
	return errStarting
}

// reason is why the process is not ready, for anybody; empty: it is. What is
// not for anybody goes to the log, once for each change and not for each who
// asks.
func (h *health) reason(ctx context.Context) string {
	why := h.now()
	reason := obs.Reason(why)
	h.mu.Lock()
	defer h.mu.Unlock()
	if reason == h.said || errors.Is(why, obs.ErrDraining) {
		return reason
	}
	h.said = reason
	if why == nil {
		h.log.InfoContext(ctx, "process is ready")
	} else {
		h.log.WarnContext(ctx, "process is not ready", "error", why)
	}
	return reason
}
