package retention

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator sets, the same at all schedulers of a deployment:
// any of them may be the one that removes.
type Config struct {
	// Age is how long a job is kept after it was done, 1 h to 10 years; 0: for
	// ever. Default 30 days.
	Age time.Duration `mapstructure:"age"`
	// Bytes is what the job store may hold, from 64 MiB; 0, the default: no bound.
	// As long as it holds more the jobs go that were accepted first.
	Bytes int64 `mapstructure:"bytes"`
	// Least is how long a job is kept after it was done even if the store holds
	// too much, 1 min to 30 days; default 1 h.
	Least time.Duration `mapstructure:"least"`
	// IDs is how long it is known of a job that it was removed and when, up to
	// 10 years; default 30 days. That its id was used is known for ever.
	IDs time.Duration `mapstructure:"ids"`
	// Interval is the time between two passes over the store, 1 s to 24 h; default
	// 1 min.
	Interval time.Duration `mapstructure:"interval"`
	// Step is about how many rows are removed in one transaction at most, 10 to
	// 10,000; default 250. It ends earlier after 5 ms: a commit may have to wait for
	// it.
	Step int `mapstructure:"step"`
}

// Days are how people think of retention.
const (
	day  = 24 * time.Hour
	year = 365 * day
)

// leastBytes is below what a store with a few jobs holds.
const leastBytes = 64 << 20

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Age: 30 * day, Least: time.Hour, IDs: 30 * day, Interval: time.Minute, Step: 250}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Age != 0 && (c.Age < time.Hour || c.Age > 10*year),
		"retention.age %s: give 1h to 87600h, such as 720h for 30 days, or 0 to keep jobs for ever", c.Age)
	fault(c.Bytes != 0 && c.Bytes < leastBytes,
		"retention.bytes %d: give at least 67108864 (64 MiB), or 0 for no bound", c.Bytes)
	fault(c.Least < time.Minute || c.Least > 30*day,
		"retention.least %s: give 1m to 720h, how long a job is kept even if the store holds more than retention.bytes", c.Least)
	fault(c.Age != 0 && c.Least > c.Age,
		"retention.least %s: give no more than retention.age, %s, after which a job goes anyway", c.Least, c.Age)
	fault(c.IDs < 0 || c.IDs > 10*year, "retention.ids %s: give 0 to 87600h, how long it is known when a job was removed", c.IDs)
	fault(c.Interval < time.Second || c.Interval > day, "retention.interval %s: give 1s to 24h, the time between two passes", c.Interval)
	fault(c.Step < 10 || c.Step > 10_000, "retention.step %d: give 10 to 10000, the rows of one transaction", c.Step)
	return errors.Join(faults...)
}
