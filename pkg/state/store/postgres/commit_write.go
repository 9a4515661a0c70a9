package postgres

import (
	"cmp"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// Every kind of row is written by one statement, from arrays with one element
// for each row (unnest). COPY into a temporary table and an INSERT from that was
// measured as well: docs/adr/0014-postgresql.md.

// group is all statements but COMMIT; nil if there is nothing to be written. The
// revisions of hosts are set in results when it is answered.
func (w *writes) group(results []store.Result) *pgx.Batch {
	if len(w.shards) == 0 {
		return nil
	}
	group := &pgx.Batch{}
	w.queueCreated(group)
	w.queueRows(group)
	w.queueReleases(group)
	queueTasks(group, lasts(w.tasks, func(a, b *codec.Task) int { return cmp.Compare(a.Row.Ordinal, b.Row.Ordinal) }))
	queueOutputs(group, w.outputs)
	queueControls(group, lasts(w.controls, func(a, b *codec.Control) int { return cmp.Compare(a.Request, b.Request) }))
	w.queueHosts(group, results)
	w.queueShards(group)
	return group
}

// queueCreated inserts ids in their order, so that two transactions that
// create the same ones do not wait for each other; jobs in that of acceptance.
func (w *writes) queueCreated(group *pgx.Batch) {
	if len(w.created) == 0 {
		return
	}
	n := len(w.created)
	ids, pools, shards, digests := make([]pgtype.UUID, n), make([]string, n), make([]int32, n), make([][]byte, n)
	until, generations, epochs, batches := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	submitters, states, lives, specs, rows := make([]string, n), make([]int32, n), make([]bool, n), make([]string, n), make([]string, n)
	capsules, targets := make([][]byte, n), make([][]byte, n)
	for i := range w.created {
		c, e := &w.created[i], w.created[i].encoded
		ids[i], pools[i], shards[i], digests[i] = uuid(c.ID), c.Shard.Pool, int32(c.Shard.N), c.Digest[:]
		until[i] = codec.Nanos(c.create.KeepUntil)
		generations[i], epochs[i], batches[i] = int64(c.by.epoch.Generation), int64(c.by.epoch.N), int64(c.by.number)
		submitters[i], states[i], lives[i], specs[i], rows[i] = e.Submitter, int32(e.State), e.Live, string(e.Spec), string(e.Row)
		capsules[i], targets[i] = e.Capsule, e.Targets
	}
	group.Queue(`INSERT INTO ids (id, pool, shard, digest, keep_until, by_generation, by_n, by_batch)
		SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[]) AS new (id) ORDER BY id`,
		ids, pools, shards, digests, until, generations, epochs, batches)
	group.Queue(`INSERT INTO jobs (id, pool, shard, digest, submitter, state, live, spec, row)
		SELECT id, pool, shard, digest, submitter, state, live, spec::json, row::json
		FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bytea[], $5::text[], $6::int[], $7::bool[], $8::text[], $9::text[])
			WITH ORDINALITY AS new (id, pool, shard, digest, submitter, state, live, spec, row, n) ORDER BY n`,
		ids, pools, shards, digests, submitters, states, lives, specs, rows)
	group.Queue("INSERT INTO bodies (job, capsule, targets) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[])", ids, capsules, targets)
}

func (w *writes) queueRows(group *pgx.Batch) {
	list := lasts(w.rows, func(_, _ **codec.Job) int { return 0 })
	if len(list) == 0 {
		return
	}
	n := len(list)
	ids, states, lives, rows := make([]pgtype.UUID, n), make([]int32, n), make([]bool, n), make([]string, n)
	for i, c := range list {
		ids[i], states[i], lives[i], rows[i] = uuid(c.job), int32(c.row.State), c.row.Live, string(c.row.Row)
	}
	group.Queue(`UPDATE jobs SET state = new.state, live = new.live, row = new.row::json
		FROM unnest($1::uuid[], $2::int[], $3::bool[], $4::text[]) AS new (id, state, live, row) WHERE jobs.id = new.id`, ids, states, lives, rows)
}

func (w *writes) queueReleases(group *pgx.Batch) {
	if len(w.pieces) == 0 {
		return
	}
	n := len(w.pieces)
	ids, numbers, bits := make([]pgtype.UUID, 0, n), make([]int32, 0, n), make([][]byte, 0, n)
	for p := range maps.Keys(w.pieces) {
		ids, numbers, bits = append(ids, uuid(p.job)), append(numbers, int32(p.n)), append(bits, w.found.pieces[p])
	}
	group.Queue(`INSERT INTO releases (job, piece, bits) SELECT * FROM unnest($1::uuid[], $2::int[], $3::bytea[])
		ON CONFLICT (job, piece) DO UPDATE SET bits = excluded.bits`, ids, numbers, bits)
}

func queueOutputs(group *pgx.Batch, list []change[codec.Output]) {
	if len(list) == 0 {
		return
	}
	n := len(list)
	ids, digests, forms, sizes, contents := make([]pgtype.UUID, n), make([][]byte, n), make([]int32, n), make([]int64, n), make([][]byte, n)
	for i := range list {
		o := &list[i].row
		ids[i], digests[i], forms[i], sizes[i], contents[i] = uuid(list[i].job), o.Digest[:], int32(o.Form), int64(o.Size), o.Content
	}
	group.Queue(`INSERT INTO outputs (job, digest, form, size, content) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::int[], $4::bigint[], $5::bytea[])
		ON CONFLICT DO NOTHING`, ids, digests, forms, sizes, contents)
}

func queueControls(group *pgx.Batch, list []change[codec.Control]) {
	if len(list) == 0 {
		return
	}
	n := len(list)
	ids, requests, rows := make([]pgtype.UUID, n), make([]string, n), make([]string, n)
	for i := range list {
		ids[i], requests[i], rows[i] = uuid(list[i].job), list[i].row.Request, string(list[i].row.Row)
	}
	group.Queue(`INSERT INTO controls (job, request, row) SELECT job, request, row::json FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new (job, request, row)
		ON CONFLICT (job, request) DO UPDATE SET row = excluded.row`, ids, requests, rows)
}

// queueShards records the number of the last batch of each shard: they come by
// shard and number.
func (w *writes) queueShards(group *pgx.Batch) {
	var pools []string
	var shards []int32
	var numbers []int64
	for i, shard := range w.shards {
		if i+1 < len(w.shards) && w.shards[i+1] == shard {
			continue
		}
		pools, shards, numbers = append(pools, shard.Pool), append(shards, int32(shard.N)), append(numbers, int64(w.numbers[i]))
	}
	group.Queue(`UPDATE shards SET batch = new.batch FROM unnest($1::text[], $2::int[], $3::bigint[]) AS new (pool, shard, batch)
		WHERE shards.pool = new.pool AND shards.shard = new.shard`, pools, shards, numbers)
}
