package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// Sweep looks for what may go while others write, and takes the write lock only
// to remove it. Pages that become free are used again by what is written next, so
// the file stops growing; it does not shrink, for that would move pages that
// others need.
func (s *Store) Sweep(ctx context.Context, sw store.Sweep) (store.Swept, error) {
	var done store.Swept
	bytes, err := s.now().bytes(ctx)
	if err != nil {
		return done, failure("sweep", err)
	}
	found, err := s.now().removable(ctx, &sw, sw.Over(bytes))
	if err != nil {
		return done, failure("sweep", err)
	}
	err = s.writer.write(ctx, "sweep", func(ctx context.Context, t *tx) error {
		if err := t.checkSweep(ctx, sw.Epoch); err != nil {
			return err
		}
		b := &broom{tx: t, Step: store.NewStep(&sw)}
		err := b.Run(ctx, found, b)
		done = b.Done
		return err
	})
	if err != nil {
		return store.Swept{}, err
	}
	done.Bytes = bytes
	return done, nil
}

// checkSweep is the verdict on who sweeps.
func (t *tx) checkSweep(ctx context.Context, epoch job.Epoch) error {
	generation, err := t.generation(ctx)
	if err != nil {
		return err
	}
	c, err := t.claim(ctx, store.HostTable())
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if c.epoch != epoch || epoch.Generation != generation || epoch == (job.Epoch{}) {
		return fmt.Errorf("claim %d of generation %d, the store is at claim %d of generation %d: %w",
			epoch.N, epoch.Generation, c.epoch.N, generation, store.ErrFenced)
	}
	return nil
}

// bytes is what the file holds, without the pages that are free.
func (s *snapshot) bytes(ctx context.Context) (n int64, err error) {
	err = s.row(ctx, `SELECT (p.page_count - f.freelist_count) * s.page_size
		FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s`, nil, &n)
	return n, err
}

// removablePage is how many jobs are looked at in one query.
const removablePage = 256

// removable looks for jobs in the order of their acceptance.
func (s *snapshot) removable(ctx context.Context, sw *store.Sweep, over bool) (found store.Removable, err error) {
	const query = `SELECT jobs.seq, jobs.id, jobs.spec, jobs.row, ids.keep_until FROM jobs JOIN ids ON ids.id = jobs.id
		WHERE jobs.seq > ? AND jobs.live = 0 ORDER BY jobs.seq LIMIT ?`
	found.Looked = sw.From
	for rows := removablePage; rows == removablePage && !found.End && len(found.Jobs) < sw.Limit; {
		rows = 0
		err := s.each(ctx, query, []any{found.Looked, removablePage}, func(scan func(...any) error) error {
			rows++
			var v store.Victim
			var id, spec, row []byte
			var keepUntil int64
			if err := scan(&v.Seq, &id, &spec, &row, &keepUntil); err != nil {
				return err
			}
			if found.End = found.End || sw.Young(codec.AcceptedAt(spec), over); found.End {
				return nil
			}
			copy(v.ID[:], id)
			found.Looked = v.Seq
			if sw.Removes(codec.DoneAt(row, codec.FromNanos(keepUntil)), over) {
				found.Jobs = append(found.Jobs, v)
			}
			return nil
		})
		if err != nil {
			return found, err
		}
		found.End = found.End || rows < removablePage
	}
	return found, nil
}

// tombID is what stands for the id of a job whose rows are being removed: no
// question finds it, and no other job has it.
func tombID(seq int64) []byte { return binary.BigEndian.AppendUint64([]byte("removed:"), uint64(seq)) }
