package postgres

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"
)

// Config says which database is the store, and how patient it is.
type Config struct {
	// DSN is a URL as PostgreSQL's own clients take it, such as
	// postgres://ccs@db.example/ccs?sslmode=verify-full&sslrootcert=/etc/ccs/db-ca.crt.
	// What is not in it comes from a password file (~/.pgpass) and the PG*
	// variables of the environment.
	DSN string `mapstructure:"dsn"`
	// BusyTimeout is how long a call waits for a connection, and a transaction
	// for a lock of another; default 10 s.
	BusyTimeout time.Duration `mapstructure:"busy_timeout"`
	// Readers is the number of connections that read, 1..64; default 4.
	Readers int `mapstructure:"readers"`
	// Writers is the number of connections that write, 2..64; default 4.
	Writers int `mapstructure:"writers"`
}

// DefaultConfig returns the defaults, without a DSN.
func DefaultConfig() Config { return Config{BusyTimeout: 10 * time.Second, Readers: 4, Writers: 4} }

// IsDSN reports whether a DSN is one of this package, right or wrong.
func IsDSN(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// Validate returns every fault of c, joined. It never repeats the DSN, which may
// hold a password.
func (c Config) Validate() error {
	var faults []error
	if _, err := c.parse(); err != nil {
		faults = append(faults, err)
	}
	if c.BusyTimeout < time.Second {
		faults = append(faults, errors.New("store.busy_timeout: must be a second or more, such as 10s"))
	}
	if c.Readers < 1 || c.Readers > 64 {
		faults = append(faults, errors.New("store.readers: must be 1..64, such as 4"))
	}
	if c.Writers < 2 || c.Writers > 64 {
		faults = append(faults, errors.New("store.writers: must be 2..64, such as 4"))
	}
	return errors.Join(faults...)
}

const wantDSN = "must be postgres:// and a place, such as postgres://ccs@db.example/ccs?sslmode=verify-full"

func (c Config) parse() (*pgx.ConnConfig, error) {
	if !IsDSN(c.DSN) {
		return nil, errors.New("store.dsn: " + wantDSN)
	}
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, errors.New("store.dsn: " + wantDSN + ": " + withoutDSN(err))
	}
	if config.Database == "" {
		return nil, errors.New("store.dsn: names no database: " + wantDSN)
	}
	return config, nil
}

// withoutDSN is what is wrong with a DSN, without the DSN.
func withoutDSN(err error) string {
	if bad, ok := errors.AsType[*url.Error](err); ok {
		return bad.Err.Error()
	}
	if bad, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		if _, reason, found := strings.Cut(bad.Error(), "`: "); found { // before it is the DSN
			return reason
		}
	}
	return "it cannot be parsed"
}

// pool returns the settings of a pool of n connections.
func (c Config) pool(n int) (*pgxpool.Config, error) {
	config, err := c.parse()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	pool.ConnConfig, pool.MaxConns = config, int32(n)
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = applicationName
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > c.BusyTimeout {
		config.ConnectTimeout = c.BusyTimeout
	}
	config.DialFunc = dialer(c.BusyTimeout)
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error { return prepareSession(ctx, conn, c.BusyTimeout) }
	pool.PingTimeout = c.BusyTimeout
	return pool, nil
}

// dialer notices within about patience that the other end is gone without a
// word, also while it owes an acknowledgement; else that takes TCP a quarter of
// an hour.
func dialer(patience time.Duration) pgconn.DialFunc {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: patience / 2, Interval: patience / 4, Count: 2},
		Timeout:         patience,
	}
	d.Control = func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		var set error
		err := raw.Control(func(fd uintptr) {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(patience.Milliseconds()))
		})
		return errors.Join(err, set)
	}
	return d.DialContext
}
