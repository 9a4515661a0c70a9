package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnsuitable says that the server answers, but jobs cannot be kept on it.
var ErrUnsuitable = errors.New("the job store cannot be kept on this server")

// minVersion is 14: from there on a partition is detached beside its readers
// and writers.
const minVersion = 140000

// applicationName is what sessions are called in pg_stat_activity.
const applicationName = "ccs-scheduler"

// prepareSession looks at a server that has let us in, each time it does: behind
// a name another one may answer by now. If the DSN names several hosts, the next
// one is tried.
func prepareSession(ctx context.Context, conn *pgconn.PgConn, patience time.Duration) error {
	results, err := conn.Exec(ctx, sessionSettings(patience)+`;
		SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('server_encoding'),
			current_setting('synchronous_commit'), current_setting('fsync'), pg_is_in_recovery()::text, current_setting('transaction_read_only')`).ReadAll()
	if err != nil {
		return fmt.Errorf("cannot prepare a session: %w", err)
	}
	row := results[len(results)-1].Rows[0]
	var s server
	if s.number, err = strconv.Atoi(string(row[0])); err != nil {
		return fmt.Errorf("cannot prepare a session: the server's version is %q: %w", row[0], err)
	}
	s.version, s.encoding, s.commits, s.syncs = string(row[1]), string(row[2]), string(row[3]), string(row[4])
	s.standby, s.readOnly = string(row[5]) == "true", string(row[6]) == "on"
	return s.check()
}

// sessionSettings are what every session has.
//
// The planner is told that all is looked up by key, because it is: statistics
// that lag behind a table that grows, or that are missing, must not make it read
// the whole of one.
//
// A transaction whose client is gone, stopped or cut off holds the row of its
// shards for no longer than patience; Claim does not wait even that long (evict).
func sessionSettings(patience time.Duration) string {
	ms := patience.Milliseconds()
	return fmt.Sprintf(`SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d;
		SET tcp_keepalives_idle = %d; SET tcp_keepalives_interval = %d; SET tcp_keepalives_count = 2; SET tcp_user_timeout = %d;
		SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC';
		SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET work_mem = '32MB'`,
		ms, ms, max(1, ms/2000), max(1, ms/4000), ms)
}

// server is what matters of one.
type server struct {
	number                            int
	version, encoding, commits, syncs string
	standby, readOnly                 bool
}

// check returns every fault, joined.
func (s *server) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.number < minVersion {
		fault("it is PostgreSQL %s, this needs 14 or newer; upgrade it, or name another server in store.dsn", s.version)
	}
	switch {
	case s.standby:
		fault("it is a standby and takes no writes; name the primary in store.dsn, or all hosts, separated by commas")
	case s.readOnly:
		fault("transactions are read-only here; set default_transaction_read_only to off for this role and database")
	}
	if s.encoding != "UTF8" {
		fault("the database has the encoding %s, this needs UTF8; make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", s.encoding)
	}
	if s.commits == "off" {
		fault("synchronous_commit is off, so jobs that were accepted could be lost; set it to on for this role and database")
	}
	if s.syncs == "off" {
		fault("fsync is off, so everything could be lost with the machine's power; set it to on")
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnsuitable, errors.Join(faults...))
}
