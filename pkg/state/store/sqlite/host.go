package sqlite

import (
	"context"
	"iter"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// applyHosts writes rows and numbers them; it returns the last number.
func (t *tx) applyHosts(ctx context.Context, hosts []codec.Host) (uint64, error) {
	if len(hosts) == 0 {
		return 0, nil
	}
	const query = `INSERT INTO hosts (id, revision, address, room, labels, facts, incarnation, public_key, key_state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, address = excluded.address, room = excluded.room, labels = excluded.labels,
			facts = excluded.facts, incarnation = excluded.incarnation, public_key = excluded.public_key, key_state = excluded.key_state`
	var last uint64
	if err := t.row(ctx, "UPDATE meta SET host_revision = host_revision + ? WHERE id = 1 RETURNING host_revision", []any{len(hosts)}, &last); err != nil {
		return 0, err
	}
	for i := range hosts {
		h := hosts[i].Host
		revision := last - uint64(len(hosts)-1-i)
		if err := t.exec(ctx, query, string(h.ID), revision, h.Address, string(h.Room), hosts[i].Labels, hosts[i].Facts,
			h.Incarnation[:], h.PublicKey[:], h.KeyState); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// hostsPage is how many hosts are read at a time: the loop over them holds no
// connection and no snapshot.
const hostsPage = 2000

// Hosts yields the hosts written after a revision.
func (s *Store) Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	return store.Pages(fleet.Host{Revision: revision}, hostsPage, func(after fleet.Host) ([]fleet.Host, error) {
		page, err := s.hosts(ctx, after.Revision)
		if err != nil {
			return nil, failure("read the hosts", err)
		}
		return page, nil
	})
}

func (s *Store) hosts(ctx context.Context, revision uint64) ([]fleet.Host, error) {
	const query = `SELECT id, revision, address, room, labels, facts, incarnation, public_key, key_state
		FROM hosts WHERE revision > ? ORDER BY revision LIMIT ?`
	var page []fleet.Host
	err := s.now().each(ctx, query, []any{revision, hostsPage}, func(scan func(...any) error) error {
		var h fleet.Host
		var labels, facts, incarnation, key []byte
		if err := scan(&h.ID, &h.Revision, &h.Address, &h.Room, &labels, &facts, &incarnation, &key, &h.KeyState); err != nil {
			return err
		}
		copy(h.Incarnation[:], incarnation)
		copy(h.PublicKey[:], key)
		if err := codec.FromJSON("labels", labels, &h.Labels); err != nil {
			return err
		}
		if err := codec.FromJSON("facts", facts, &h.Facts); err != nil {
			return err
		}
		page = append(page, h)
		return nil
	})
	return page, err
}
