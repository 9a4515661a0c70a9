package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// erasure is what one statement has removed of a job.
type erasure struct {
	rows  int   // of the size that Sweep.Limit counts
	bytes int64 // that they took in the partitions, about
	whole bool  // nothing is left
}

// What rows take in the partitions with their indexes, besides their content, in
// bytes (docs/store.md).
const (
	taskBytes   = 330
	outputBytes = 150
)

// eraseRows removes up to $2 rows of job $1 in the order of their keys: tasks,
// control requests, releases, then outputs, which differ in size and of which
// one goes at least, and last of all its body. A job that is not in removals
// loses nothing.
const eraseRows = `WITH budget AS (SELECT CASE WHEN EXISTS (SELECT FROM removals WHERE job = $1) THEN $2::bigint ELSE 0 END AS n),
	t AS (DELETE FROM tasks WHERE job = $1 AND ordinal <= (SELECT max(ordinal) FROM (
		SELECT ordinal FROM tasks WHERE job = $1 ORDER BY ordinal LIMIT (SELECT n FROM budget)) AS few)
		RETURNING octet_length(message) + coalesce(octet_length(outputs), 0) + coalesce(octet_length(signature), 0) AS content),
	after_t AS (SELECT n - (SELECT count(*) FROM t) AS n FROM budget),
	c AS (DELETE FROM controls WHERE job = $1 AND request <= (SELECT max(request) FROM (
		SELECT request FROM controls WHERE job = $1 ORDER BY request LIMIT (SELECT n FROM after_t)) AS few) RETURNING 1),
	after_c AS (SELECT n - (SELECT count(*) FROM c) AS n FROM after_t),
	r AS (DELETE FROM releases WHERE job = $1 AND piece <= (SELECT max(piece) FROM (
		SELECT piece FROM releases WHERE job = $1 ORDER BY piece LIMIT (SELECT n FROM after_c)) AS few) RETURNING 1),
	after_r AS (SELECT n - (SELECT count(*) FROM r) AS n FROM after_c),
	o AS (DELETE FROM outputs WHERE job = $1 AND digest = ANY(ARRAY(SELECT digest FROM (
		SELECT digest, sum(weight) OVER (ORDER BY digest) - weight AS before FROM (
			SELECT digest, 1 + octet_length(content) / $3::int AS weight FROM outputs WHERE job = $1 ORDER BY digest LIMIT (SELECT n FROM after_r)) AS few) AS sums
		WHERE before < (SELECT n FROM after_r)))
		RETURNING 1 + octet_length(content) / $3::int AS weight, octet_length(content) AS content),
	after_o AS (SELECT n - (SELECT coalesce(sum(weight), 0) FROM o) AS n FROM after_r),
	b AS (DELETE FROM bodies WHERE job = $1 AND 0 < (SELECT n FROM after_o)
		RETURNING 1 + (octet_length(capsule) + octet_length(targets)) / $3::int AS weight, pg_column_size(capsule) + pg_column_size(targets) AS content),
	whole AS (DELETE FROM removals WHERE job = $1 AND 0 < (SELECT n FROM after_o) RETURNING 1)
	SELECT (SELECT budget.n - after_o.n FROM budget, after_o)::bigint + (SELECT coalesce(sum(weight), 0) FROM b)::bigint,
		(SELECT coalesce(sum($4::bigint + content), 0) FROM t)::bigint + (SELECT coalesce(sum($5::bigint + content), 0) FROM o)::bigint
			+ (SELECT coalesce(sum($5::bigint + content), 0) FROM b)::bigint,
		EXISTS (SELECT FROM whole)`

// queueErase removes up to limit rows of a job, in one statement and one round
// trip; what went is told when the group is answered.
func queueErase(group *pgx.Batch, id job.ID, limit int) *erasure {
	var found bool
	e := &erasure{}
	group.Queue(eraseRows, uuid(id), int64(limit), int32(store.BytesPerRow), int64(taskBytes), int64(outputBytes)).
		QueryRow(one(&found, &e.rows, &e.bytes, &e.whole))
	return e
}
