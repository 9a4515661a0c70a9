package postgres

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// loading is a job that is being read. What does not fit of it is told once
// everything has come: an error would end the reading of what comes after it.
type loading struct {
	id           job.ID
	row          jobRow
	targets      []byte
	r            store.Record
	found, whole bool
	faults       []error
}

func (l *loading) fault(err error) {
	if err != nil {
		l.faults = append(l.faults, err)
	}
}

// queueLoad reads all of a job.
func queueLoad(group *pgx.Batch, id job.ID) *loading {
	l := &loading{id: id}
	queueJob(group, id, &l.found, &l.row)
	group.Queue("SELECT capsule, targets FROM bodies WHERE job = $1", uuid(id)).QueryRow(one(&l.whole, &l.r.Capsule, &l.targets))
	var n uint32
	var bits []byte
	group.Queue("SELECT piece, bits FROM releases WHERE job = $1 ORDER BY piece", uuid(id)).Query(each([]any{&n, &bits}, func() (err error) {
		l.r.Released, err = codec.AppendReleased(l.r.Released, n, bits)
		l.fault(err)
		return nil
	}))
	queueTaskRows(group, &l.r.Tasks, l.fault, taskColumns+"WHERE job = $1 ORDER BY ordinal", uuid(id))
	var control []byte
	group.Queue("SELECT row FROM controls WHERE job = $1 ORDER BY request", uuid(id)).Query(each([]any{&control}, func() error {
		var c job.ControlRow
		l.fault(codec.FromJSON("a control request", control, &c))
		l.r.Controls = append(l.r.Controls, c)
		return nil
	}))
	return l
}

// record is what was read, decoded.
func (l *loading) record() (store.Record, error) {
	if !l.found {
		return store.Record{}, store.ErrNotFound
	}
	j, err := l.row.decode()
	l.fault(err)
	l.r.Identity, l.r.Spec, l.r.Row = j.Identity, j.Spec, j.Row
	if l.whole {
		l.r.Targets, err = codec.DecodeTargets(l.targets)
		l.fault(err)
	} else {
		l.fault(errors.New("its capsule and targets are missing"))
	}
	if len(l.faults) > 0 {
		return store.Record{}, codec.Damaged(errors.Join(l.faults...))
	}
	return l.r, nil
}

// LoadJob returns all of a job, from one moment and in one round trip.
func (s *Store) LoadJob(ctx context.Context, id job.ID) (r store.Record, err error) {
	group := frozen()
	l := queueLoad(group, id)
	if err = s.read(ctx, thaw(group)); err == nil {
		r, err = l.record()
	}
	if err != nil {
		return store.Record{}, s.jobFailure(ctx, id, err)
	}
	return r, nil
}

// loadGroup is how many jobs of a shard are read in a round trip. Their target
// lists are in memory at once, 20 MB each at the most.
const loadGroup = 8

// LoadShard yields the live jobs of a shard. Only their ids are read at once.
func (s *Store) LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		ids, err := s.live(ctx, shard)
		if err != nil {
			yield(store.Record{}, failure(ctx, "load shard "+shard.String(), err))
			return
		}
		for some := range slices.Chunk(ids, loadGroup) {
			for r, err := range s.loadSome(ctx, some) {
				bad := errors.Is(err, store.ErrDamaged)
				if bad {
					r.Shard = shard
				}
				if !yield(r, err) || err != nil && !bad {
					return
				}
			}
		}
	}
}

func (s *Store) live(ctx context.Context, shard job.ShardID) (ids []job.ID, err error) {
	var id pgtype.UUID
	group := &pgx.Batch{}
	group.Queue("SELECT id FROM jobs WHERE pool = $1 AND shard = $2 AND live ORDER BY seq", shard.Pool, int32(shard.N)).
		Query(each([]any{&id}, func() error {
			ids = append(ids, id.Bytes)
			return nil
		}))
	return ids, s.read(ctx, group)
}

// loadSome yields jobs that were there a moment ago: one that is not any more is
// damaged.
func (s *Store) loadSome(ctx context.Context, ids []job.ID) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		group, loads := frozen(), make([]*loading, 0, len(ids))
		for _, id := range ids {
			loads = append(loads, queueLoad(group, id))
		}
		together := s.read(ctx, thaw(group))
		for _, l := range loads {
			r, err := store.Record{}, together
			if err == nil {
				r, err = l.record()
			}
			if errors.Is(together, store.ErrDamaged) && len(ids) > 1 { // one of them does not fit, and has hidden the others
				r, err = s.LoadJob(ctx, l.id)
			}
			switch {
			case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged):
				var bad store.DamagedError
				bad.Add(l.id, err)
				r.ID, err = l.id, &bad
			case err != nil:
				err = s.jobFailure(ctx, l.id, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// frozen starts a group whose statements read from one moment; thaw ends it.
func frozen() *pgx.Batch {
	group := &pgx.Batch{}
	group.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	return group
}

func thaw(group *pgx.Batch) *pgx.Batch {
	group.Queue("COMMIT")
	return group
}

// read sends a group of queries.
func (s *Store) read(ctx context.Context, group *pgx.Batch) error {
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	conn, err := s.readers.Acquire(waiting)
	if err != nil {
		return err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(ctx, transactionLimit)
	defer cancel()
	return conn.SendBatch(limited, group).Close()
}
