package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// keptDays is how many days before today keep their partitions though they are
// empty: an id may be a day off the clock, and clocks differ.
const keptDays = 2

// dropWait is how long whoever reads or writes tasks may have to wait for one
// who waits to drop a partition. If others hold the tables for longer, the next
// pass tries again.
const dropWait = "50ms"

// dropHeld is how long they may have to wait for one who holds the tables and says
// nothing more: it was stopped, or cut off. Then its session ends.
const dropHeld = time.Second

// dropEmptyDay drops the oldest partitions that no job is left of, a day of them:
// a pass is a minute, and brings no more than that.
//
// It locks the tables before it looks for jobs of that day once more. Who has
// accepted one and not yet committed either has locked a table before, and is
// waited for, or finds no partition after, and makes it again (lacksPartition).
func (s *Store) dropEmptyDay(ctx context.Context, sw *store.Sweep) error {
	d, found, err := s.emptyDay(ctx, sw)
	if err != nil || !found {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		b := &broom{tx: t, Step: store.NewStep(sw)}
		if err := b.begin(ctx, s.schema); err != nil {
			return err
		}
		group := &pgx.Batch{}
		queueLockTables(group)
		var empty, there bool
		group.Queue(isEmptyDay, d.first(), (d + 1).first()).QueryRow(one(&there, &empty))
		if err := t.send(ctx, group); err != nil || !empty {
			return err
		}
		group = &pgx.Batch{}
		for _, table := range partitioned() {
			group.Queue("DROP TABLE IF EXISTS " + d.name(table))
		}
		group.Queue("DELETE FROM erased WHERE day = $1", d.suffix())
		return t.commit(ctx, group)
	})
	if isBusy(err) {
		return nil
	}
	s.days.forget()
	return err
}

// queueLockTables keeps everybody from the tables that have partitions.
func queueLockTables(group *pgx.Batch) {
	group.Queue("SET LOCAL lock_timeout = '" + dropWait + "'")
	group.Queue(fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", dropHeld.Milliseconds()))
	group.Queue("LOCK TABLE bodies, tasks, outputs IN ACCESS EXCLUSIVE MODE")
}

const isEmptyDay = `SELECT NOT EXISTS (SELECT FROM jobs WHERE id >= $1::uuid AND id < $2::uuid)
	AND NOT EXISTS (SELECT FROM removals WHERE job >= $1::uuid AND job < $2::uuid)`

// emptyDay looks for the oldest day that no job is left of.
func (s *Store) emptyDay(ctx context.Context, sw *store.Sweep) (d day, found bool, err error) {
	before := dayOf(time.Now())
	if asked := dayOf(sw.Now); asked < before {
		before = asked
	}
	before -= keptDays
	var suffix string
	var days []day
	group := &pgx.Batch{}
	group.Queue(`SELECT split_part(relname, '_p', 2) AS day FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
		WHERE inhparent = 'tasks'::regclass ORDER BY 1`).Query(each([]any{&suffix}, func() error {
		if at, err := time.Parse(suffixLayout, suffix); err == nil && dayOf(at) < before { // another name is not ours
			days = append(days, dayOf(at))
		}
		return nil
	}))
	if err := s.read(ctx, group); err != nil {
		return 0, false, fmt.Errorf("cannot list partitions: %w", err)
	}
	for _, d := range days {
		var empty bool
		group := &pgx.Batch{}
		group.Queue(isEmptyDay, d.first(), (d + 1).first()).QueryRow(one(&found, &empty))
		if err := s.read(ctx, group); err != nil || empty {
			return d, empty, err
		}
	}
	return 0, false, nil
}
