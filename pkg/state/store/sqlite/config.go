package sqlite

import (
	"errors"
	"strings"
	"time"
)

// Config says which file is the store, and how patient it is.
type Config struct {
	// DSN is sqlite: and the path of the file, such as
	// sqlite:/var/lib/ccs/ccs-scheduler/store.db. Beside it lie the files with
	// -wal, -shm and -queue; the directory must exist.
	DSN string `mapstructure:"dsn"`
	// BusyTimeout is how long a write waits for other processes before it is
	// store.ErrUnavailable; default 10 s.
	BusyTimeout time.Duration `mapstructure:"busy_timeout"`
	// Readers is the number of reading connections, 1..64; default 4.
	Readers int `mapstructure:"readers"`
}

// scheme begins every DSN of this package.
const scheme = "sqlite:"

// IsDSN reports whether a DSN is one of this package, right or wrong.
func IsDSN(dsn string) bool { return strings.HasPrefix(dsn, scheme) }

// DefaultConfig returns the defaults, without a DSN.
func DefaultConfig() Config { return Config{BusyTimeout: 10 * time.Second, Readers: 4} }

// Validate returns every fault of c, joined. It never repeats the DSN: another
// database's holds a password.
func (c Config) Validate() error {
	var faults []error
	if len(c.path()) == 0 {
		faults = append(faults, errors.New("store.dsn: must be sqlite: and the path of a file on a local disk, such as sqlite:/var/lib/ccs/ccs-scheduler/store.db"))
	}
	if c.BusyTimeout <= 0 {
		faults = append(faults, errors.New("store.busy_timeout: must be positive, such as 10s"))
	}
	if c.Readers < 1 || c.Readers > 64 {
		faults = append(faults, errors.New("store.readers: must be 1..64, such as 4"))
	}
	return errors.Join(faults...)
}

// path is the path of the DSN, empty if it is none of ours.
func (c Config) path() string {
	path, ours := strings.CutPrefix(c.DSN, scheme)
	if !ours {
		return ""
	}
	return path
}
