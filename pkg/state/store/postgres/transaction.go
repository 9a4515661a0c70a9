package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// transactionLimit is how long a transaction may take: far more than any does,
// and less than for ever, if the server has stopped answering.
const transactionLimit = time.Minute

// tx is a transaction that writes. Its statements go to the server in groups
// (pgx.Batch): a group costs one round trip, and after an error in it the server
// skips the rest, COMMIT included.
type tx struct {
	conn *pgxpool.Conn
}

// write runs fn in one transaction. A context that ends before it begins ends
// it; once begun it is not interrupted by it, so that nobody has to guess what a
// canceled commit did. fn ends with t.commit, unless there is nothing to be
// written.
func (s *Store) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	waiting, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	conn, err := s.writers.Acquire(waiting)
	if err != nil {
		return err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionLimit)
	defer cancel()
	t := &tx{conn}
	err = fn(limited, t)
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return err
	}
	_, failed := conn.Exec(limited, "ROLLBACK") // else Release would throw the connection away
	if err == nil {
		err = failed
	}
	return err
}

// send sends a group of statements and reads their answers.
func (t *tx) send(ctx context.Context, group *pgx.Batch) error {
	return t.conn.SendBatch(ctx, group).Close()
}

// begin starts a group that begins the transaction.
func begin() *pgx.Batch {
	group := &pgx.Batch{}
	group.Queue("BEGIN")
	return group
}

// commit ends a group, and the transaction with it, and sends it. It must not be
// the group that locks: see the package comment.
func (t *tx) commit(ctx context.Context, group *pgx.Batch) error {
	group.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return fmt.Errorf("the server answered COMMIT with %s", tag)
		}
		return nil
	})
	return t.send(ctx, group)
}

// one makes a queued query scan its one row, if there is one.
func one(found *bool, into ...any) func(pgx.Row) error {
	return func(row pgx.Row) error {
		err := row.Scan(into...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		*found = err == nil
		return misfit(err)
	}
}

// each makes a queued query call fn for every row, with what was scanned.
func each(into []any, fn func() error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, into, fn)
		return misfit(err)
	}
}

// misfit marks a row that was read whole and does not fit.
func misfit(err error) error {
	if _, ok := errors.AsType[pgx.ScanArgError](err); ok {
		return codec.Damaged(err)
	}
	return err
}
