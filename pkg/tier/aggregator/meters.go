package aggregator

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// otherClass is what classes are counted as that the deployment does not have:
// whoever invents some must not make series of them.
const otherClass = "other"

// labels is what one value of a label is counted with, made once.
type labels = []metric.AddOption

func label(key, value string) labels {
	return labels{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

// meters is what the aggregator counts. It is safe for concurrent use.
type meters struct {
	opened, refused    metric.Int64Counter // sessions
	commands, received metric.Int64Counter

	codes   map[codes.Code]labels
	classes atomic.Pointer[map[string]labels] // of the deployment; replaced, never changed
	other   labels
}

func newMeters(t obs.Telemetry) *meters {
	m := &meters{
		opened: t.Counter(obs.SessionsOpened), refused: t.Counter(obs.SessionsRefused),
		commands: t.Counter(obs.CommandsSent), received: t.Counter(obs.ReportsReceived),
		codes: map[codes.Code]labels{}, other: label("class", otherClass),
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		m.codes[code] = label("code", code.String())
	}
	m.setClasses(nil)
	return m
}

// setClasses makes the classes of the deployment known.
func (m *meters) setClasses(pools map[string]string) {
	fresh := map[string]labels{}
	for class := range pools {
		fresh[class] = label("class", class)
	}
	m.classes.Store(&fresh)
}

// sent counts the commands of a reply.
func (m *meters) sent(ctx context.Context, commands []*sessionv1.Command) {
	if len(commands) == 0 {
		return
	}
	classes := *m.classes.Load()
	for _, c := range commands {
		of, known := classes[c.GetClass()]
		if !known {
			of = m.other
		}
		m.commands.Add(ctx, 1, of...)
	}
}

// refuse counts a session that a host did not get.
func (m *meters) refuse(ctx context.Context, err error) {
	m.refused.Add(ctx, 1, m.codes[status.Code(err)]...)
}

// gauges shows what the hub holds to whoever looks.
func (h *hub) gauges(t obs.Telemetry) {
	for name, read := range map[obs.Name]func() int64{
		obs.Sessions:     func() int64 { return int64(h.sessions) },
		obs.MeshStreams:  func() int64 { return int64(len(h.streams)) },
		obs.ReportsHeld:  func() int64 { return int64(h.said) },
		obs.PayloadsHeld: func() int64 { return int64(h.payloads) },
		obs.BlobBytes:    func() int64 { return h.blobs.held.total() },
		obs.SpoolBytes:   func() int64 { return h.ledger.spool.Usage().Held },
		obs.SpoolEntries: func() int64 { return int64(h.ledger.spool.Usage().Entries) },
	} {
		t.Gauge(name, func(observe func(int64, ...attribute.KeyValue)) {
			h.mu.Lock()
			n := read()
			h.mu.Unlock()
			observe(n)
		})
	}
}
