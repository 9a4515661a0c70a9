package postgres

import (
	"context"
	"sync"
	"time"
)

// evictAfter is how long whoever claims a shard waits for a transaction of the
// owner before. A commit takes milliseconds.
const evictAfter = time.Second

// evicting runs fn, which waits for the lock of a shard in transaction t. An
// owner that was stopped, or cut off from the server, within a transaction holds
// that lock and does nothing; its session is ended, which undoes what it had not
// committed. Its fate can be read back, as after any lost answer.
//
// Only a session is ended that is a scheduler's, that keeps t waiting, that has
// been in its transaction for longer than evictAfter, and that waits for its
// client: a commit that takes long because it is large is left alone.
func (s *Store) evicting(ctx context.Context, t *tx, fn func() error) error {
	var pid int32
	if err := t.conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(evictAfter)
		defer tick.Stop()
		for {
			select {
			case <-watch.Done():
				return
			case <-tick.C:
				// What fails here fails again at the next tick, or fn does.
				_, _ = s.readers.Exec(watch, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE pid = ANY(pg_blocking_pids($1)) AND application_name = current_setting('application_name') AND usename = current_user
					AND wait_event_type = 'Client' AND xact_start < now() - $2::interval`, pid, evictAfter)
			}
		}
	})
	defer watching.Wait()
	defer stop()
	return fn()
}
