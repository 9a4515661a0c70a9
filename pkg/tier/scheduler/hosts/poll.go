package hosts

import (
	"context"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// pollPiece is how many rows are taken over at a time, so that readers are not
// kept waiting for a whole fleet.
const pollPiece = 1000

// Under says under which generation of the store this process has just claimed
// something. Another one than before means that the store was restored: then
// the next poll reads everything again. It does not wait for a poll.
func (t *Table) Under(generation uint64) {
	if before := t.generation.Swap(generation); before != 0 && before != generation {
		t.raised.Store(true)
	}
}

// Poll reads the rows that were written since the last time; the first time,
// all. All are read as well after a restore of the store, which shows by its
// generation, or by the last row that was read, if that is gone: rows are
// written again, but never go.
func (t *Table) Poll(ctx context.Context) error {
	t.polling.Lock()
	defer t.polling.Unlock()
	raised := t.raised.Swap(false)
	if t.head.Revision > 0 && !raised {
		unbroken, err := t.follow(ctx)
		if err != nil || unbroken {
			return err
		}
	}
	if err := t.readAll(ctx); err != nil {
		if raised {
			t.raised.Store(true)
		}
		return err
	}
	return nil
}

// follow takes the rows after the last that was read, and that one once more to
// see that it is still there. The caller holds polling.
func (t *Table) follow(ctx context.Context) (unbroken bool, err error) {
	head := t.head
	piece := make([]fleet.Host, 0, 16)
	for h, err := range t.store.Hosts(ctx, head.Revision-1) {
		if err != nil {
			return false, fmt.Errorf("cannot read the host table: %w", err)
		}
		again := h.Revision == head.Revision
		if h.ID == head.ID {
			unbroken = !again || same(h, head)
		}
		if again {
			continue
		}
		if piece = append(piece, h); len(piece) == pollPiece {
			t.take(ctx, piece)
			piece = piece[:0]
		}
	}
	t.take(ctx, piece)
	return unbroken, nil
}

// take applies rows that were read. The caller holds polling.
func (t *Table) take(ctx context.Context, rows []fleet.Host) {
	if len(rows) > 0 {
		t.head = rows[len(rows)-1]
		t.apply(ctx, rows)
	}
}

// readAll reads the whole table and puts it in the place of what was known. The
// caller holds polling.
func (t *Table) readAll(ctx context.Context) error {
	fresh, head := fleet.NewTable(), fleet.Host{}
	for h, err := range t.store.Hosts(ctx, 0) {
		if err != nil {
			return fmt.Errorf("cannot read the host table: %w", err)
		}
		head = h
		if err := fresh.Upsert(h); err != nil {
			t.unusable(ctx, h.ID, err)
		}
	}
	if t.head.Revision > 0 {
		t.log.WarnContext(ctx, "the store was restored; the host table was read again",
			"hosts", fresh.Len(), "hosts_before", t.Len(), "revision", head.Revision, "revision_before", t.head.Revision)
	}
	t.head = head
	t.replace(fresh, time.Now())
	return nil
}

// replace puts a table in the place of another.
//
// What hosts said of themselves since the backup is lost with it, and as long as
// their sessions last they do not say it again. But the rows of before held it.
func (t *Table) replace(fresh *fleet.Table, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.rows
	if t.rows = fresh; before.Len() == 0 {
		return
	}
	for id := range fresh.IDs() {
		h, _ := t.row(id)
		old, err := before.Get(string(id))
		if err != nil || old.ID != id {
			continue
		}
		if old.Incarnation != h.Incarnation {
			t.reborn = append(t.reborn, id)
		}
		o := observed{address: old.Address, facts: old.Facts, incarnation: old.Incarnation, witnessed: true, at: now}
		if p, _ := t.seen.Since(id); p != fleet.Here || t.seen.Incarnation(id) != old.Incarnation || !o.differs(h) {
			continue
		}
		if _, newer := t.pending[id]; !newer {
			t.pending[id] = o
			signal(t.news)
		}
	}
}
