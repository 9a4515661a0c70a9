package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Shard is the shard of the host table: one for the whole deployment, of no pool.
func Shard() job.ShardID { return job.ShardID{} }

// Errors of a registration.
var (
	// ErrNotOwner: another scheduler owns the host table.
	ErrNotOwner = errors.New("this scheduler does not own the host table")
	// ErrOtherKey: the host is registered with another key.
	ErrOtherKey = errors.New("the host is registered with another key")
	// ErrHost: the row has faults.
	ErrHost = errors.New("the host cannot be registered")
)

// Paces of a writer.
const (
	gatherFor = 20 * time.Millisecond // what hosts say of themselves is written together
	lookEvery = time.Second           // for what was not due before
	settle    = 5 * time.Second       // until an incarnation whose beginning nobody saw is believed
	maxRows   = 500                   // of one batch
)

// Store is what a writer needs of the store.
type Store interface {
	Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error)
}

// Committer writes batches in groups.
type Committer interface {
	Commit(ctx context.Context, b store.Batch) (store.Result, error)
}

// Writer changes the rows of hosts while this process owns the host table. It
// is safe for concurrent use; make it with [NewWriter].
type Writer struct {
	// Beside runs as long as this process owns the host table, under that epoch,
	// until its context ends; if it returns an error that ends the ownership. It is
	// set before Run; nil: nothing runs.
	Beside func(ctx context.Context, epoch job.Epoch) error

	table  *Table
	store  Store
	commit Committer
	name   string
	log    *slog.Logger

	in   chan *registration
	open chan chan struct{} // holds the end of the ownership that goes on, if one does
}

// registration is a host to be written and who waits for it.
type registration struct {
	host fleet.Host
	done chan registered // takes one without waiting
}

type registered struct {
	host fleet.Host
	err  error
}

// NewWriter returns a writer under the name of this scheduler.
func NewWriter(t *Table, s Store, c Committer, name string, log *slog.Logger) *Writer {
	w := &Writer{table: t, store: s, commit: c, name: name, log: log, in: make(chan *registration), open: make(chan chan struct{}, 1)}
	w.open <- nil
	return w
}

// Register writes a host that was enrolled, and returns its row once that is
// durable. The same host with the same key may be registered again, with
// another room, address, labels or incarnation. With another key it is refused
// (ErrOtherKey) unless the key on record is revoked: a name must not change
// hands because somebody has a join token. Other errors: ErrNotOwner, ErrHost.
func (w *Writer) Register(ctx context.Context, h fleet.Host) (fleet.Host, error) {
	ended := <-w.open
	w.open <- ended
	if ended == nil {
		return fleet.Host{}, ErrNotOwner
	}
	r := &registration{host: h, done: make(chan registered, 1)}
	select {
	case w.in <- r:
	case <-ended:
		return fleet.Host{}, ErrNotOwner
	case <-ctx.Done():
		return fleet.Host{}, context.Cause(ctx)
	}
	select {
	case got := <-r.done:
		return got.host, got.err
	case <-ctx.Done():
		return fleet.Host{}, context.Cause(ctx)
	}
}

// Run owns the host table until ctx ends or another owner has claimed it; then
// the error wraps store.ErrFenced.
func (w *Writer) Run(ctx context.Context) error {
	epoch, err := w.store.Claim(ctx, Shard(), w.name)
	if err != nil {
		return fmt.Errorf("cannot claim the host table: %w", err)
	}
	w.table.Under(epoch.Generation)
	if err := w.table.Poll(ctx); err != nil { // what the owner before has written
		return err
	}
	w.log.InfoContext(ctx, "host table is owned", "generation", epoch.Generation, "epoch", epoch.N, "hosts", w.table.Len())
	ended := make(chan struct{})
	<-w.open
	w.open <- ended
	defer func() {
		<-w.open
		w.open <- nil
		close(ended)
	}()
	return w.serveBeside(ctx, &term{Writer: w, epoch: epoch})
}

// serveBeside serves with Beside at its side.
func (w *Writer) serveBeside(ctx context.Context, t *term) error {
	if w.Beside == nil {
		return w.serve(ctx, t)
	}
	ctx, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	var beside error
	running.Go(func() {
		defer end()
		beside = w.Beside(ctx, t.epoch)
	})
	err := w.serve(ctx, t)
	end()
	running.Wait()
	return errors.Join(err, beside)
}

func (w *Writer) serve(ctx context.Context, t *term) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-w.in:
			t.register(r)
		case <-w.table.news:
			wait(ctx, gatherFor)
		case <-tick.C:
		}
		t.more()
		if err := t.write(ctx); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// term is one ownership.
type term struct {
	*Writer
	epoch   job.Epoch
	number  uint64 // of the last batch
	rows    []fleet.Host
	at      map[fleet.HostID]int // index in rows
	waiting []*registration
}

// more takes who else waits.
func (t *term) more() {
	for len(t.rows) < maxRows {
		select {
		case r := <-t.in:
			t.register(r)
		default:
			return
		}
	}
}

// register judges a registration against the row that is or will be.
func (t *term) register(r *registration) {
	refuse := func(err error) { r.done <- registered{err: err} }
	if err := fleet.ValidateHost(r.host); err != nil {
		refuse(fmt.Errorf("%w: %w", ErrHost, err))
		return
	}
	old, known := t.table.Row(r.host.ID)
	if i, queued := t.at[r.host.ID]; queued {
		old, known = t.rows[i], true
	}
	if known && old.PublicKey != r.host.PublicKey && old.KeyState != fleet.KeyRevoked {
		refuse(fmt.Errorf("%w: %s; have an operator revoke that key first, or give the host another name", ErrOtherKey, r.host.ID))
		return
	}
	if known && old.KeyState == fleet.KeyRevoked && old.PublicKey == r.host.PublicKey {
		refuse(fmt.Errorf("%w: the key of %s is revoked; make another", ErrHost, r.host.ID))
		return
	}
	fresh := r.host
	if len(fresh.Facts) == 0 {
		fresh.Facts = old.Facts
	}
	t.waiting = append(t.waiting, r)
	if !known || !same(old, fresh) {
		t.add(fresh)
	}
}

func same(a, b fleet.Host) bool {
	return a.Address == b.Address && a.Room == b.Room && a.Incarnation == b.Incarnation && a.PublicKey == b.PublicKey &&
		a.KeyState == b.KeyState && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Facts, b.Facts)
}

func (t *term) add(h fleet.Host) {
	if i, queued := t.at[h.ID]; queued {
		t.rows[i] = h
		return
	}
	if t.at == nil {
		t.at = map[fleet.HostID]int{}
	}
	t.at[h.ID] = len(t.rows)
	t.rows = append(t.rows, h)
}

// write makes durable what was registered, and what hosts say of themselves.
func (t *term) write(ctx context.Context) error {
	for _, h := range t.table.due(ctx, time.Now(), maxRows-len(t.rows)) {
		if _, queued := t.at[h.ID]; !queued {
			t.add(h)
		}
	}
	if len(t.rows) > 0 {
		if err := t.commitRows(ctx); err != nil {
			for _, r := range t.waiting {
				r.done <- registered{err: fmt.Errorf("%w: %w", ErrNotOwner, err)}
			}
			return fmt.Errorf("cannot write the host table: %w", err)
		}
	}
	for _, r := range t.waiting {
		row, _ := t.table.Row(r.host.ID)
		r.done <- registered{host: row}
	}
	t.rows, t.at, t.waiting = nil, nil, nil
	return nil
}

// commitRows is not cut short by the end of ctx: its fate must be known.
func (t *term) commitRows(ctx context.Context) error {
	t.number++
	ctx = context.WithoutCancel(ctx)
	result, err := t.commit.Commit(ctx, store.Batch{Shard: Shard(), Epoch: t.epoch, Number: t.number, Hosts: t.rows})
	if err != nil {
		return err
	}
	if result.HostRevision == 0 { // it had been applied by a try whose answer was lost
		return t.table.Poll(ctx)
	}
	for i := range t.rows {
		t.rows[i].Revision = result.HostRevision - uint64(len(t.rows)-1-i)
	}
	t.table.Apply(ctx, t.rows)
	return nil
}

// due returns up to limit rows as they should be by what hosts say. What is not
// a row is dropped with a word in the log.
func (t *Table) due(ctx context.Context, now time.Time, limit int) (rows []fleet.Host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, o := range t.pending {
		if len(rows) >= limit {
			break
		}
		row, known := t.row(id)
		if !known || row.Incarnation != o.incarnation && !t.believed(id, o, now) {
			continue
		}
		if o.address != "" {
			row.Address = o.address
		}
		row.Facts, row.Incarnation = o.facts, o.incarnation
		if err := fleet.ValidateHost(row); err != nil {
			t.log.WarnContext(ctx, "what a host says of itself cannot be kept", "host", id, "error", err)
			delete(t.pending, id)
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// believed reports whether another incarnation than the row's is taken for the
// host's. One whose beginning was not seen by this process may be a session not
// yet missed: the newer one would be heard of within moments.
func (t *Table) believed(id fleet.HostID, o observed, now time.Time) bool {
	p, _ := t.seen.Since(id)
	return p == fleet.Here && t.seen.Incarnation(id) == o.incarnation && (o.witnessed || now.Sub(o.at) >= settle)
}
