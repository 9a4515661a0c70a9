package hosts

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
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

	polling sync.Mutex // held while rows are read, and while what was written is applied
	head    fleet.Host // under polling: the last row that was read; zero: none was

	generation atomic.Uint64 // of the store, as far as is known; 0: not at all
	raised     atomic.Bool   // it has changed: all is to be read again

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

// Apply takes rows as they are durable, with their revisions.
func (t *Table) Apply(ctx context.Context, rows []fleet.Host) {
	t.polling.Lock() // else they would be missing in a table that is just being read anew
	defer t.polling.Unlock()
	t.apply(ctx, rows)
}

// apply is Apply; polling is held.
func (t *Table) apply(ctx context.Context, rows []fleet.Host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range rows {
		old, known := t.row(h.ID)
		if err := t.rows.Upsert(h); err != nil {
			t.unusable(ctx, h.ID, err)
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

func (t *Table) unusable(ctx context.Context, id fleet.HostID, err error) {
	t.log.ErrorContext(ctx, "row of a host is not usable; it is left out", "host", id, "error", err)
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
