package cctest

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Push is a kind of what one tier says to another before it is asked.
type Push string

// The pushes. What is lost of them somebody asks for later, or it is said again.
const (
	EarlyReply   Push = "early reply"   // of an aggregator, with commands and stops, as a whole
	Command      Push = "command"       // in a reply to a host
	Stop         Push = "stop"          // likewise
	Forget       Push = "forget"        // likewise
	HostReport   Push = "host's report" // in a heartbeat
	Dispatch     Push = "dispatch"      // of a scheduler
	Wish         Push = "wish"          // of a scheduler: stops and forgets
	Query        Push = "query"         // of a scheduler: even the pull may be lost now and then
	RoomReport   Push = "room's report" // of an aggregator: a batch
	Return       Push = "return"        // of an aggregator: what it could not do
	Announcement Push = "announcement"  // of an aggregator: a host has come or gone
	Change       Push = "change"        // of what etcd holds
)

// Meddling is what becomes of the pushes of a kind.
type Meddling struct {
	// Lose says which are lost, by their number from 1; nil: none.
	Lose func(nth int) bool
	// Delay is what each takes longer, and all that comes behind it.
	Delay time.Duration
	// Twice says that each comes twice.
	Twice bool
}

// Meddle says what becomes of the pushes of a kind from now on, everywhere. The
// zero Meddling leaves them alone.
func (c *Cluster) Meddle(p Push, how Meddling) { c.meddler.set(p, how) }

// Pushes is how many there were of a kind since its meddling was set.
func (c *Cluster) Pushes(p Push) int {
	c.meddler.mu.Lock()
	defer c.meddler.mu.Unlock()
	return c.meddler.seen[p]
}

// resync is how often what etcd holds is read as a whole, as by coord/etcd: a
// change that was missed is seen then.
const resync = 30 * time.Second

// meddler stands where messages can be seen: in the ports of the aggregators, and
// before etcd.
type meddler struct {
	mu    sync.Mutex // protects what follows
	rules map[Push]Meddling
	seen  map[Push]int
}

func (m *meddler) set(p Push, how Meddling) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rules == nil {
		m.rules, m.seen = map[Push]Meddling{}, map[Push]int{}
	}
	m.rules[p], m.seen[p] = how, 0
}

// judge counts a push and says what is to become of it.
func (m *meddler) judge(p Push) (lost bool, delay time.Duration, times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rule, any := m.rules[p]
	if !any {
		return false, 0, 1
	}
	m.seen[p]++
	if rule.Twice {
		times++
	}
	return rule.Lose != nil && rule.Lose(m.seen[p]), rule.Delay, times + 1
}

// parts keeps of the parts of a message those that are not lost, each as often as
// it is to come, and delays the message by as much as the slowest.
func parts[T any](m *meddler, p Push, all []T, delay *time.Duration) []T {
	out := make([]T, 0, len(all))
	for _, one := range all {
		lost, slow, times := m.judge(p)
		*delay = max(*delay, slow)
		if !lost {
			out = append(out, slices.Repeat([]T{one}, times)...)
		}
	}
	return slices.Clip(out)
}

// watch is a watch of which changes are lost until the next resync.
func (m *meddler) watch(ctx context.Context, see func(coord.View), do func(context.Context, func(coord.View)) error) error {
	var mu sync.Mutex // one view at a time
	var missed *coord.View
	first := true
	tell := func(v coord.View) {
		mu.Lock()
		defer mu.Unlock()
		lost, delay, times := m.judge(Change)
		wait(ctx, delay)
		if lost && !first {
			missed = &v
			return
		}
		missed, first = nil, false
		for range times {
			see(v)
		}
	}
	var syncing sync.WaitGroup
	ctx, end := context.WithCancel(ctx)
	syncing.Go(func() {
		for wait(ctx, resync) {
			mu.Lock()
			if missed != nil {
				see(*missed)
				missed = nil
			}
			mu.Unlock()
		}
	})
	err := do(ctx, tell)
	end()
	syncing.Wait()
	return err
}

// wait waits; false: ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// intercept stands in a port of an aggregator.
func (m *meddler) intercept(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return handle(srv, &meddled{ServerStream: stream, meddler: m})
}

// meddled is a stream whose messages are seen.
type meddled struct {
	grpc.ServerStream
	*meddler
	again any // received, and to be received once more
}

// SendMsg sends what goes to a host or to a scheduler.
func (s *meddled) SendMsg(message any) error {
	lost, delay, times := false, time.Duration(0), 1
	switch out := message.(type) {
	case *sessionv1.ConnectResponse:
		if r := out.GetReply(); r != nil {
			if r.GetHeartbeat() == 0 {
				lost, delay, times = s.judge(EarlyReply)
			}
			r.Commands = parts(s.meddler, Command, r.GetCommands(), &delay)
			r.Stops = parts(s.meddler, Stop, r.GetStops(), &delay)
			r.Forget = parts(s.meddler, Forget, r.GetForget(), &delay)
		}
	case *meshv1.ConnectResponse:
		switch {
		case out.GetReports() != nil:
			lost, delay, times = s.judge(RoomReport)
		case out.GetReturns() != nil:
			lost, delay, times = s.judge(Return)
		case out.GetAttachments() != nil && !out.GetAttachments().GetSnapshotBegin() && !out.GetAttachments().GetSnapshotEnd():
			lost, delay, times = s.judge(Announcement)
		}
	}
	if wait(s.Context(), delay); lost {
		return nil
	}
	for range times {
		if err := s.ServerStream.SendMsg(message); err != nil {
			return err
		}
	}
	return nil
}
