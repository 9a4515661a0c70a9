package issuer

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator sets.
type Config struct {
	// HostTTL is the life of a host's certificate; default 90 days.
	HostTTL time.Duration `mapstructure:"host_ttl"`
	// UserTTL is the life of a user's certificate; default 24 h.
	UserTTL time.Duration `mapstructure:"user_ttl"`
	// RegisterWait is how long an enrolment waits for the host table to have an
	// owner that writes the row; default 15 s.
	RegisterWait time.Duration `mapstructure:"register_wait"`
	// DrainBudget is how long calls may go on after a stop was asked for; default 5 s.
	DrainBudget time.Duration `mapstructure:"drain_budget"`
}

// Bounds of a certificate's life.
const (
	minTTL = time.Minute
	maxTTL = 366 * 24 * time.Hour
)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{HostTTL: 90 * 24 * time.Hour, UserTTL: 24 * time.Hour, RegisterWait: 15 * time.Second, DrainBudget: 5 * time.Second}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	within := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			faults = append(faults, fmt.Errorf("%s: %s is not between %s and %s: give one that is", key, d, low, high))
		}
	}
	within("host_ttl", c.HostTTL, minTTL, maxTTL)
	within("user_ttl", c.UserTTL, minTTL, maxTTL)
	within("register_wait", c.RegisterWait, 100*time.Millisecond, time.Minute)
	within("drain_budget", c.DrainBudget, 100*time.Millisecond, time.Minute)
	return errors.Join(faults...)
}
