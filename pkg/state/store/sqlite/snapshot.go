package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// snapshot reads: each statement for itself, or, with a transaction, all of
// them from one moment.
type snapshot struct {
	s  *Store
	tx *sql.Tx // nil: each for itself
}

// now reads each statement for itself.
func (s *Store) now() *snapshot { return &snapshot{s: s} }

// frozen runs fn on one moment of the store. Writers do not wait for it, but
// the WAL cannot be reset while it lasts: fn reads, and does nothing else.
func (s *Store) frozen(ctx context.Context, fn func(*snapshot) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	err = fn(&snapshot{s: s, tx: tx})
	if e := tx.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) { // done: ctx has ended, which err tells
		err = errors.Join(err, e)
	}
	return err
}

func (s *snapshot) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	st, err := s.s.read(ctx, query)
	if err != nil || s.tx == nil {
		return st, err
	}
	return s.tx.StmtContext(ctx, st), nil
}

// row scans the one row of a query; sql.ErrNoRows if there is none.
func (s *snapshot) row(ctx context.Context, query string, args []any, into ...any) error {
	st, err := s.statement(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
}

// each calls fn for every row of a query.
func (s *snapshot) each(ctx context.Context, query string, args []any, fn func(scan func(...any) error) error) error {
	st, err := s.statement(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	scan := func(into ...any) error { return codec.Damaged(rows.Scan(into...)) } // the row is there: it does not fit
	for rows.Next() {
		if err := fn(scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
