package executor

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// meters is what the executor counts, with each outcome's labels made once.
type meters struct {
	started, ended, adopted metric.Int64Counter
	outcomes                map[task.State][]metric.AddOption
	live                    atomic.Int64 // commands accepted and not ended
}

func newMeters(t obs.Telemetry) *meters {
	m := &meters{
		started: t.Counter(obs.CommandsStarted), ended: t.Counter(obs.CommandsEnded), adopted: t.Counter(obs.CommandsAdopted),
		outcomes: map[task.State][]metric.AddOption{},
	}
	for _, state := range task.States() {
		if state.Final() {
			m.outcomes[state] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", state.String())))}
		}
	}
	t.Gauge(obs.CommandsLive, func(observe func(int64, ...attribute.KeyValue)) { observe(m.live.Load()) })
	return m
}

// count counts the command as live, or no longer.
func (m *meters) count(c *command) {
	live := !c.report.State.Final()
	switch {
	case live && !c.counted:
		m.live.Add(1)
	case !live && c.counted:
		m.live.Add(-1)
	}
	c.counted = live
}

// adopt counts a command of an executor before that runs.
func (m *meters) adopt(ctx context.Context, c *command) {
	if c.found {
		m.adopted.Add(ctx, 1)
		c.found = false
	}
}

// end counts an outcome. One that was there when this executor began is that of
// an executor before, which may have counted it.
func (m *meters) end(ctx context.Context, c *command) {
	if !c.found {
		m.ended.Add(ctx, 1, m.outcomes[c.report.State]...)
	}
}

// How far an executor is in its life.
const (
	opened int32 = iota
	serving
	stopping
)

// Why it starts nothing.
var (
	errNotLoaded = errors.New("what is in the state directory has not been taken up yet; this takes a moment")
	errForeign   = errors.New("end-processes of a state directory that is gone still run, and nothing is started until they have ended: wait, end them, or release them with ccshost release")
)

// Check is an [obs.Check]: it says why the executor is not ready now.
func (e *Executor) Check() error {
	switch e.phase.Load() {
	case opened:
		return errNotLoaded
	case stopping:
		return obs.ErrDraining
	}
	if e.barred.Load() > 0 {
		return errForeign
	}
	return nil
}
