package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// LoadJob returns all of a job, from one moment and in one round trip.
func (s *Store) LoadJob(ctx context.Context, id job.ID) (r store.Record, err error) {
	var row jobRow
	var targets []byte
	var found, whole bool
	// What does not fit is told once everything has come: an error would end
	// the connection's use.
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	group := frozen()
	queueJob(group, id, &found, &row)
	group.Queue("SELECT capsule, targets FROM bodies WHERE job = $1", uuid(id)).QueryRow(one(&whole, &r.Capsule, &targets))
	var n uint32
	var bits []byte
	group.Queue("SELECT piece, bits FROM releases WHERE job = $1 ORDER BY piece", uuid(id)).Query(each([]any{&n, &bits}, func() error {
		var err error
		r.Released, err = codec.AppendReleased(r.Released, n, bits)
		fault(err)
		return nil
	}))
	queueTaskRows(group, &r.Tasks, fault, taskColumns+"WHERE job = $1 ORDER BY ordinal", uuid(id))
	var control []byte
	group.Queue("SELECT row FROM controls WHERE job = $1 ORDER BY request", uuid(id)).Query(each([]any{&control}, func() error {
		var c job.ControlRow
		err := codec.FromJSON("a control request", control, &c)
		r.Controls = append(r.Controls, c)
		fault(err)
		return nil
	}))
	if err = s.read(ctx, thaw(group)); err == nil && !found {
		err = store.ErrNotFound
	}
	if err == nil {
		j, damaged := row.decode()
		fault(damaged)
		r.Identity, r.Spec, r.Row = j.Identity, j.Spec, j.Row
		if whole {
			r.Targets, damaged = codec.DecodeTargets(targets)
			fault(damaged)
		} else {
			fault(errors.New("its capsule and targets are missing"))
		}
		err = codec.Damaged(errors.Join(faults...))
	}
	if err != nil {
		return store.Record{}, jobFailure(ctx, id, err)
	}
	return r, nil
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
