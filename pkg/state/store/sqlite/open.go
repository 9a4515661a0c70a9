package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// Store is a store.Store in a SQLite file. It is safe for concurrent use.
type Store struct {
	writer  *writer // has the place of the file
	readers *sql.DB
	codec   *codec.Codec

	closing sync.Once
	closed  error // of closing

	mu    sync.Mutex
	stmts map[string]*sql.Stmt // under mu: prepared on readers, by text
}

var _ store.Store = (*Store)(nil)

// Open opens or creates the file, whose directory must exist, and brings its
// schema up to date. Several processes may do so at the same time. Errors wrap
// ErrNetworkFilesystem, ErrNotPrivate, ErrNewerSchema, ErrForeignFile or
// store.ErrUnavailable, or are those of Validate.
func Open(ctx context.Context, config Config) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	path, err := resolve(config.path())
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	if err := refuseNetworkFilesystem(path); err != nil {
		return nil, fmt.Errorf("cannot open the store %s: %w", path, err)
	}
	if err := makePrivate(path); err != nil {
		return nil, fmt.Errorf("cannot open the store %s: %w", path, err)
	}
	place, err := placeOf(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store %s: %w", path, err)
	}
	c, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	w, err := openWriter(ctx, place, config.BusyTimeout)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store %s: %w", path, err)
	}
	readers, err := sql.Open("sqlite", dsn(path, url.Values{
		"_pragma": {
			"busy_timeout(" + strconv.FormatInt(config.BusyTimeout.Milliseconds(), 10) + ")",
			"query_only(1)",
		},
	}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the store %s: %w", path, err), w.close())
	}
	readers.SetMaxOpenConns(config.Readers)
	readers.SetMaxIdleConns(config.Readers)
	return &Store{writer: w, readers: readers, codec: c, stmts: map[string]*sql.Stmt{}}, nil
}

// Close waits for the transaction that is under way and closes the file.
// Nothing else may be called after it; Close again does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = errors.Join(s.readers.Close(), s.writer.close()) })
	return s.closed
}

// dsn names a file that is there: SQLite must not put an empty one where the
// store was, if it is moved away.
func dsn(path string, query url.Values) string {
	query.Set("mode", "rw")
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// read returns the prepared statement of a query. Who reads learns here that the
// file is another one by now, since readers come to it one after another.
func (s *Store) read(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := s.writer.place.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	st, err := s.readers.PrepareContext(ctx, query)
	if err != nil {
		return nil, failure("read the store", err)
	}
	s.stmts[query] = st
	return st, nil
}
