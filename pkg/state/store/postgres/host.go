package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// putHosts numbers the hosts: the one at place n of all that the commit has is
// given the n-th revision after the last.
const putHosts = `WITH base AS (UPDATE host_revision SET revision = revision + $1::bigint RETURNING revision - $1::bigint AS revision),
	put AS (INSERT INTO hosts (id, revision, address, room, labels, facts, incarnation, public_key, key_state)
		SELECT id, base.revision + n, address, room, labels::json, facts::json, incarnation, public_key, key_state
		FROM base, unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::int[])
			AS new (id, n, address, room, labels, facts, incarnation, public_key, key_state)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, address = excluded.address, room = excluded.room, labels = excluded.labels,
			facts = excluded.facts, incarnation = excluded.incarnation, public_key = excluded.public_key, key_state = excluded.key_state)
	SELECT revision FROM base`

// queueHosts writes the last row of each host.
func (w *writes) queueHosts(group *pgx.Batch, results []store.Result) {
	if len(w.hosts) == 0 {
		return
	}
	last := map[fleet.HostID]int{}
	for i := range w.hosts {
		last[w.hosts[i].Host.ID] = i
	}
	var ids, addresses, rooms, labels, facts []string
	var places, states []int32
	var incarnations, keys [][]byte
	for i := range w.hosts {
		h := w.hosts[i].Host
		if last[h.ID] != i {
			continue
		}
		ids, addresses, rooms = append(ids, string(h.ID)), append(addresses, h.Address), append(rooms, string(h.Room))
		labels, facts = append(labels, string(w.hosts[i].Labels)), append(facts, string(w.hosts[i].Facts))
		places, states = append(places, int32(i+1)), append(states, int32(h.KeyState))
		incarnations, keys = append(incarnations, h.Incarnation[:]), append(keys, h.PublicKey[:])
	}
	var base uint64
	group.Queue(putHosts, int64(len(w.hosts)), ids, places, addresses, rooms, labels, facts, incarnations, keys, states).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&base); err != nil {
				return err
			}
			for result, place := range w.revised {
				results[result].HostRevision = base + uint64(place)
			}
			return nil
		})
}

// hostsPage is how many hosts are read at a time: the loop over them holds no
// connection.
const hostsPage = 2000

// Hosts yields the hosts written after a revision.
func (s *Store) Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	return store.Pages(fleet.Host{Revision: revision}, hostsPage, func(after fleet.Host) ([]fleet.Host, error) {
		page, err := s.hosts(ctx, after.Revision)
		if err != nil {
			return nil, failure(ctx, "read the hosts", err)
		}
		return page, nil
	})
}

func (s *Store) hosts(ctx context.Context, revision uint64) ([]fleet.Host, error) {
	var page []fleet.Host
	var h fleet.Host
	var labels, facts, incarnation, key []byte
	group := &pgx.Batch{}
	group.Queue(`SELECT id, revision, address, room, labels, facts, incarnation, public_key, key_state
		FROM hosts WHERE revision > $1 ORDER BY revision LIMIT $2`, int64(revision), hostsPage).
		Query(each([]any{&h.ID, &h.Revision, &h.Address, &h.Room, &labels, &facts, &incarnation, &key, &h.KeyState}, func() error {
			read := h
			copy(read.Incarnation[:], incarnation)
			copy(read.PublicKey[:], key)
			page = append(page, read)
			last := &page[len(page)-1]
			if err := codec.FromJSON("labels", labels, &last.Labels); err != nil {
				return codec.Damaged(err)
			}
			return codec.Damaged(codec.FromJSON("facts", facts, &last.Facts))
		}))
	return page, s.read(ctx, group)
}
