package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// checkpointPages is the size of the WAL, in pages of 4 KiB, at which the
// commit that reaches it moves its pages to the main file. Readers and other
// processes do not wait for that; the commit itself takes a few milliseconds
// longer.
const checkpointPages = "2000"

// writer is the one connection of this process that writes.
type writer struct {
	db   *sql.DB
	conn *sql.Conn // nil after a rollback that failed, until the next transaction
	busy time.Duration

	place place
	queue *queue
	turn  chan struct{}        // holds one token: whoever has it may use all that is here
	stmts map[string]*sql.Stmt // prepared on conn, by text
}

func openWriter(ctx context.Context, at place, busy time.Duration) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(at.path, url.Values{"_pragma": {
		// The writer waits by itself (begin): SQLite's own waiting sleeps for up
		// to 100 ms at a time and cannot be canceled.
		"busy_timeout(0)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"wal_autocheckpoint(" + checkpointPages + ")",
		"journal_size_limit(67108864)", // a WAL that once grew is cut back to 64 MiB
		"cache_size(-32768)",           // 32 MiB: a commit of 10,000 rows does not spill
	}}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	q, err := openQueue(at.path + "-queue")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, busy: busy, place: at, queue: q, turn: make(chan struct{}, 1), stmts: map[string]*sql.Stmt{}}
	err = w.prepareFile(ctx)
	w.turn <- struct{}{}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// prepareFile connects, switches the file to WAL and migrates it. The first two
// need the file alone for a moment and do not wait, hence the retries.
func (w *writer) prepareFile(ctx context.Context) error {
	err := w.connect(ctx)
	if err == nil {
		err = w.retry(ctx, w.useWAL)
	}
	if err != nil {
		return failure("prepare the file", err)
	}
	return w.transact(ctx, "migrate the schema", migrate)
}

// connect opens the connection, if there is none.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	return w.retry(ctx, func(ctx context.Context) (err error) {
		w.conn, err = w.db.Conn(ctx)
		return err
	})
}

// disconnect drops the connection, and whatever is under way on it; the next
// transaction opens another. The pool must not give this one out again.
func (w *writer) disconnect() error {
	errs := w.closeStatements()
	errs = append(errs, w.conn.Raw(func(any) error { return sqldriver.ErrBadConn }))
	w.conn = nil
	if err := errors.Join(errs...); !errors.Is(err, sqldriver.ErrBadConn) {
		return err
	}
	return nil
}

func (w *writer) closeStatements() (errs []error) {
	for _, st := range w.stmts {
		errs = append(errs, st.Close())
	}
	clear(w.stmts)
	return errs
}

// useWAL looks first whose file it is: another program's stays as it is.
func (w *writer) useWAL(ctx context.Context) error {
	if _, err := isEmpty(ctx, &tx{w: w}); err != nil {
		return err
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode is %q and cannot be made wal", mode)
	}
	return nil
}

func (w *writer) close() error {
	<-w.turn // for ever: whoever comes later waits until its context ends
	errs := w.closeStatements()
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close(), w.queue.close())...)
}

// write runs fn in one transaction. A context that ends while it waits for its
// turn ends it; once begun it is not interrupted, so that nobody has to guess
// what a canceled commit did.
func (w *writer) write(ctx context.Context, what string, fn func(context.Context, *tx) error) error {
	select {
	case <-w.turn:
	case <-ctx.Done():
		return fmt.Errorf("cannot %s: %w", what, context.Cause(ctx))
	}
	defer func() { w.turn <- struct{}{} }()
	if ctx.Err() != nil { // both were there, and select chose the turn
		return fmt.Errorf("cannot %s: %w", what, context.Cause(ctx))
	}
	return w.transact(ctx, what, fn)
}

// transact commits what fn does, or nothing of it: not even a panic that the
// caller recovers from leaves the transaction open for the next one to fall into.
// Before it begins and before it is answered for it looks whether the file is
// still the one at its place: what is committed to another one is not durable.
func (w *writer) transact(ctx context.Context, what string, fn func(context.Context, *tx) error) (err error) {
	t := &tx{w: w}
	if err = w.connect(ctx); err == nil {
		err = w.place.check()
	}
	if err == nil {
		err = w.begin(ctx, t)
	}
	if err != nil {
		return failure(what, err)
	}
	ctx = context.WithoutCancel(ctx)
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, t.rollback(ctx))
		}
	}()
	if err = fn(ctx, t); err == nil {
		err = t.exec(ctx, "COMMIT")
	}
	if err != nil {
		return failure(what, err)
	}
	committed = true
	if err = w.place.check(); err != nil {
		return failure(what, err)
	}
	return nil
}

// queueWait is how long a writer queues up before it goes past the queue: its
// head may be a process that was stopped.
const queueWait = time.Second

// begin waits for the other processes and takes the write lock.
func (w *writer) begin(ctx context.Context, t *tx) error {
	entered := false
	for queued := time.Now(); !entered && time.Since(queued) < min(queueWait, w.busy); {
		if entered = w.queue.enter(); !entered {
			if err := pause(ctx, time.Since(queued)); err != nil {
				return err
			}
		}
	}
	if entered {
		defer w.queue.leave()
	}
	return w.retry(ctx, func(ctx context.Context) error { return t.exec(ctx, "BEGIN IMMEDIATE") })
}

// retry repeats fn while another process holds what it needs, until the busy
// timeout.
func (w *writer) retry(ctx context.Context, fn func(context.Context) error) error {
	for began := time.Now(); ; {
		err := fn(context.WithoutCancel(ctx))
		if err == nil || !isBusy(err) || time.Since(began) > w.busy {
			return err
		}
		if err := pause(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}

// pause waits for a tenth of what was already waited, between 0.1 and 4 ms:
// another's commit is short, or it is long. Random, so that processes do not
// march in step.
func pause(ctx context.Context, waited time.Duration) error {
	d := min(max(waited/10, 100*time.Microsecond), 4*time.Millisecond)
	select {
	case <-time.After(d/2 + rand.N(d)): //nolint:gosec // jitter, not a secret
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tx is the transaction that is under way on the writer.
type tx struct {
	w       *writer
	horizon time.Time // of retention, once the generation was read
}

func (t *tx) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := t.w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := t.w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare %q: %w", query, err)
	}
	t.w.stmts[query] = st
	return st, nil
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	st, err := t.prepared(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

// count is exec that says how many rows it has changed.
func (t *tx) count(ctx context.Context, query string, args ...any) (int, error) {
	st, err := t.prepared(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// row scans the one row of a query; sql.ErrNoRows if there is none.
func (t *tx) row(ctx context.Context, query string, args []any, into ...any) error {
	st, err := t.prepared(ctx, query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(into...)
}

// rollback ends a transaction that failed. SQLite has already ended it after
// some errors; then there is nothing to do, and that is no error. What it cannot
// end any other way ends with its connection.
func (t *tx) rollback(ctx context.Context) error {
	err := t.exec(ctx, "ROLLBACK")
	var e *driver.Error
	if err == nil || errors.As(err, &e) && e.Code() == lib.SQLITE_ERROR {
		return nil
	}
	return errors.Join(fmt.Errorf("cannot roll back, so the connection is dropped: %w", err), t.w.disconnect())
}

func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_BUSY
}

// failure says what could not be done, and marks what may be right again later.
func failure(what string, err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_NOMEM, lib.SQLITE_READONLY:
		return fmt.Errorf("cannot %s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("cannot %s: %w", what, err)
}
