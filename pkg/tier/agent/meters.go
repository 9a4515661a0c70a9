package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// accepted is the verdict on a command that is taken; all others are reasons.
const accepted = "accepted"

// meters is what the agent counts, with each verdict's labels made once.
type meters struct {
	commands metric.Int64Counter
	verdicts map[string][]metric.AddOption
}

func newMeters(t obs.Telemetry) meters {
	m := meters{commands: t.Counter(obs.CommandsJudged), verdicts: map[string][]metric.AddOption{}}
	words := []string{accepted}
	for _, reason := range task.Reasons() {
		words = append(words, reason.String())
	}
	for _, word := range words {
		m.verdicts[word] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("verdict", word)))}
	}
	return m
}

func (m meters) judged(ctx context.Context, word string) { m.commands.Add(ctx, 1, m.verdicts[word]...) }

// shown is what is to be seen of the loop's state from beside it.
type shown struct {
	stopping atomic.Bool
	attached atomic.Bool                      // there is a session
	executor atomic.Bool                      // it is there, and all that it knows has been seen
	reports  atomic.Int64                     // that are not durable above
	bundle   atomic.Int64                     // until when the bundle is good, in Unix seconds; 0: there is none
	expires  atomic.Pointer[func() time.Time] // nil: there is no certificate, or none is told
}

// show brings what is to be seen up to date. The loop calls it after each event.
func (a *Agent) show() {
	a.shown.attached.Store(a.session != nil)
	a.shown.executor.Store(a.snapshot && !a.away)
	a.shown.reports.Store(int64(a.outbox.Len()))
	if a.bundle.Version > 0 {
		a.shown.bundle.Store(a.bundle.Expires.Unix())
	}
}

// gauges shows it to whoever looks.
func (s *shown) gauges(t obs.Telemetry) {
	t.Gauge(obs.SessionAttached, func(observe func(int64, ...attribute.KeyValue)) {
		if s.attached.Load() {
			observe(1)
		} else {
			observe(0)
		}
	})
	t.Gauge(obs.ReportsUnforgotten, func(observe func(int64, ...attribute.KeyValue)) { observe(s.reports.Load()) })
}

// CertificateExpires is until when the host's certificate is good; zero: it has
// none yet. It does not block, and is safe for concurrent use.
func (a *Agent) CertificateExpires() time.Time {
	expires := a.shown.expires.Load()
	if expires == nil {
		return time.Time{}
	}
	return (*expires)()
}

// Why a host cannot do what it is here for.
var (
	errNoSession  = errors.New("no session with an aggregator: nothing is heard from above; see whether one of the addresses in aggregators can be reached")
	errNoExecutor = errors.New("the executor of this host cannot be reached: commands wait for it; see whether it runs and executor_socket is its socket")
	errNoBundle   = errors.New("no bundle of users' keys is held here: every command is refused; see whether one is published, and operator_key is the key that signs it")
	errOldBundle  = errors.New("the bundle of users' keys is past its expiry: every command is refused; publish a newer one")
)

// Check is an [obs.Check]: it says why the agent is not ready now.
func (a *Agent) Check() error {
	if a.shown.stopping.Load() {
		return obs.ErrDraining
	}
	var why []error
	if !a.shown.attached.Load() {
		why = append(why, errNoSession)
	}
	if !a.shown.executor.Load() {
		why = append(why, errNoExecutor)
	}
	switch expires := a.shown.bundle.Load(); {
	case expires == 0:
		why = append(why, errNoBundle)
	case time.Now().After(time.Unix(expires, 0)):
		why = append(why, errOldBundle)
	}
	return errors.Join(why...)
}
