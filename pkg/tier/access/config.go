package access

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator sets.
type Config struct {
	// RouteWait is how long a call waits for a shard to have an owner; default 8 s.
	RouteWait time.Duration `mapstructure:"route_wait"`
	// DrainBudget is how long calls may go on after a stop was asked for; default 5 s.
	DrainBudget time.Duration `mapstructure:"drain_budget"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{RouteWait: 8 * time.Second, DrainBudget: 5 * time.Second}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.RouteWait <= 0 || c.RouteWait > time.Minute {
		faults = append(faults, fmt.Errorf("route_wait %s: give more than 0 and at most 1m", c.RouteWait))
	}
	if c.DrainBudget <= 0 || c.DrainBudget > time.Minute {
		faults = append(faults, fmt.Errorf("drain_budget %s: give more than 0 and at most 1m", c.DrainBudget))
	}
	return errors.Join(faults...)
}
