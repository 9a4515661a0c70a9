package hosts

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// Rows is where rows come from.
type Rows interface {
	Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error]
}

// Table is all hosts and where they are. It is safe for concurrent use.
type Table struct {
	log   *slog.Logger
	store Rows

	polling  sync.Mutex
	revision uint64 // under polling: read up to here

	mu      sync.RWMutex
	rows    *fleet.Table              // under mu
	seen    *fleet.Attachments        // under mu
	pending map[fleet.HostID]observed // under mu: hosts that say otherwise than their rows
	reborn  []fleet.HostID            // under mu: rows with another incarnation, see Changed
	unsure  map[fleet.Via]*lostSight  // under mu: streams that broke
	born    time.Time                 // under mu: since when aggregators are listened to; zero: not yet
	grown   bool                      // under mu: that is so long ago that who was never seen is away
	news    chan struct{}             // takes one: something is pending
	unknown chan struct{}             // takes one: a host without a row is here
}

// NewTable returns an empty table; [Table.Poll] fills it.
func NewTable(s Rows, log *slog.Logger) *Table {
	return &Table{
		log: log, store: s,
		rows: fleet.NewTable(), seen: fleet.NewAttachments(),
		pending: map[fleet.HostID]observed{}, unsure: map[fleet.Via]*lostSight{},
		news: make(chan struct{}, 1), unknown: make(chan struct{}, 1),
	}
}

// Unknown takes one when a host has come that has no row here. It has enrolled,
// and that comes before its first session: to poll finds the row.
func (t *Table) Unknown() <-chan struct{} { return t.unknown }

// pollPiece is how many rows are taken over at a time, so that readers are not
// kept waiting for a whole fleet.
const pollPiece = 1000

// Poll reads the rows that were written since the last time; the first time,
// all.
func (t *Table) Poll(ctx context.Context) error {
	t.polling.Lock()
	defer t.polling.Unlock()
	piece := make([]fleet.Host, 0, 16)
	for h, err := range t.store.Hosts(ctx, t.revision) {
		if err != nil {
			return fmt.Errorf("cannot read the host table: %w", err)
		}
		if piece = append(piece, h); len(piece) == pollPiece {
			t.take(ctx, piece)
			piece = piece[:0]
		}
	}
	t.take(ctx, piece)
	return nil
}

// take applies rows that were read; polling is held.
func (t *Table) take(ctx context.Context, rows []fleet.Host) {
	if len(rows) > 0 {
		t.revision = max(t.revision, rows[len(rows)-1].Revision)
		t.Apply(ctx, rows)
	}
}

// Apply takes rows as they are durable, with their revisions.
func (t *Table) Apply(ctx context.Context, rows []fleet.Host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range rows {
		old, known := t.row(h.ID)
		if err := t.rows.Upsert(h); err != nil {
			t.log.ErrorContext(ctx, "row of a host is not usable; it is left out", "host", h.ID, "error", err)
			continue
		}
		if known && old.Incarnation != h.Incarnation {
			t.reborn = append(t.reborn, h.ID)
		}
		if o, waits := t.pending[h.ID]; waits && !o.differs(h) {
			delete(t.pending, h.ID)
		}
	}
}

// row is the row of exactly this id. The caller holds mu.
func (t *Table) row(id fleet.HostID) (fleet.Host, bool) {
	h, err := t.rows.Get(string(id))
	return h, err == nil && h.ID == id
}

// Row is the row of exactly this id.
func (t *Table) Row(id fleet.HostID) (fleet.Host, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.row(id)
}

// Len is how many hosts are known.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows.Len()
}

// Here is how many hosts are attached, as far as this process knows.
func (t *Table) Here() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seen.Here()
}

// Select is fleet's Select.
func (t *Table) Select(q fleet.Query) ([]fleet.Host, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows.Select(q)
}

// Shown is a host with where it is.
type Shown struct {
	fleet.Host
	Attached bool
	Via      fleet.Via // while attached
	Since    time.Time // of being attached or not; zero: never seen by this process
}

// Get is a host by id or IP address; errors as fleet's Get.
func (t *Table) Get(idOrIP string) (Shown, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	h, err := t.rows.Get(idOrIP)
	if err != nil {
		return Shown{}, err
	}
	return t.show(h), nil
}

// Page is fleet's Page.
func (t *Table) Page(s fleet.Selector, after fleet.HostID, limit int) ([]Shown, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts, more := t.rows.Page(s, after, limit)
	out := make([]Shown, len(hosts))
	for i, h := range hosts {
		out[i] = t.show(h)
	}
	return out, more
}

func (t *Table) show(h fleet.Host) Shown {
	s := Shown{Host: h}
	s.Via, s.Attached = t.seen.Via(h.ID)
	if _, since := t.seen.Since(h.ID); !since.IsZero() {
		s.Since = since
	}
	return s
}

// observed is what a host says of itself that is not its row's.
type observed struct {
	address     string
	facts       map[string]string
	incarnation fleet.Incarnation
	witnessed   bool      // the incarnation before was seen to be superseded
	at          time.Time // when it was first heard
}

func (o observed) differs(h fleet.Host) bool {
	return o.address != "" && o.address != h.Address || o.incarnation != h.Incarnation || !maps.Equal(o.facts, h.Facts)
}
