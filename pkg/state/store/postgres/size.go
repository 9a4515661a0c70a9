package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// size is what the store holds, in bytes, about. The server looks at every file
// to tell, so it is asked once in sizeAge, and what a step removes is subtracted.
type size struct {
	mu    sync.Mutex
	bytes int64
	at    time.Time // when the server was asked; zero: never
}

const sizeAge = 10 * time.Second

// heldBytes are the files of the store, without what retention has freed in the
// partitions: nobody writes there any more, so they do not shrink before they
// are dropped.
const heldBytes = `SELECT (SELECT coalesce(sum(greatest(size - coalesce(erased.bytes, 0), 0)), 0)
	FROM (SELECT split_part(relname, '_p', 2) COLLATE "C" AS day, sum(pg_total_relation_size(pg_class.oid)) AS size
		FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
		WHERE inhparent IN ('bodies'::regclass, 'tasks'::regclass, 'outputs'::regclass) GROUP BY 1) AS days LEFT JOIN erased USING (day))::bigint
	+ pg_total_relation_size('jobs') + pg_total_relation_size('ids') + pg_total_relation_size('releases') + pg_total_relation_size('controls')`

// now tells the size; anew: the server is asked in any case.
func (z *size) now(ctx context.Context, s *Store, anew bool) (int64, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if !anew && time.Since(z.at) < sizeAge {
		return z.bytes, nil
	}
	var found bool
	group := &pgx.Batch{}
	group.Queue(heldBytes).QueryRow(one(&found, &z.bytes))
	err := s.read(ctx, group)
	if err == nil {
		z.at = time.Now()
	}
	return z.bytes, err
}

// shrink subtracts what a step has removed.
func (z *size) shrink(erased map[day]int64) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, bytes := range erased {
		z.bytes = max(0, z.bytes-bytes)
	}
}
