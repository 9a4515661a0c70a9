package scheduler

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ccs-project/ccs/pkg/tier/scheduler/retention"
)

// Config is what an operator sets.
type Config struct {
	// Name is the scheduler's name; it must be that of its certificate, which
	// it is by default.
	Name string `mapstructure:"name"`
	// Pool is the pool that it serves.
	Pool string `mapstructure:"pool"`
	// Shards is the number of shards of the pool, the same at all its
	// schedulers for as long as the pool holds a job, 1..1024; default 64.
	Shards uint32 `mapstructure:"shards"`
	// Advertise is the host:port that access and the issuer dial; by default
	// what it listens on.
	Advertise string `mapstructure:"advertise"`
	// DrainBudget is how long a stop may take; default 5 s.
	DrainBudget time.Duration `mapstructure:"drain_budget"`
	// ResolutionMaxAge is how old a target list may be when its job is
	// submitted; default 10 min.
	ResolutionMaxAge time.Duration `mapstructure:"resolution_max_age"`
	// AnswerBudget is how long a call waits for a shard, and so for the store,
	// before it is told to come again; default 10 s.
	AnswerBudget time.Duration `mapstructure:"answer_budget"`
	// SubmitBudget is how long a submission may take to come in whole, with what
	// it waits for others; default 30 s.
	SubmitBudget time.Duration `mapstructure:"submit_budget"`
	// Retention says what is kept of jobs that are done.
	Retention retention.Config `mapstructure:"retention"`
	// Trace bounds what is traced.
	Trace TraceConfig `mapstructure:"trace"`
}

// TraceConfig is what an operator sets of traces.
type TraceConfig struct {
	// Tasks is how many tasks of a job that is traced have spans of their own,
	// 0..1000; default 8.
	Tasks int `mapstructure:"tasks"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Shards: 64, DrainBudget: 5 * time.Second,
		ResolutionMaxAge: 10 * time.Minute, AnswerBudget: 10 * time.Second, SubmitBudget: 30 * time.Second,
		Retention: retention.DefaultConfig(), Trace: TraceConfig{Tasks: 8},
	}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Pool == "", "pool is not set: give the pool that this scheduler serves, such as standard")
	fault(c.Shards < 1 || c.Shards > 1024, "shards %d: give 1 to 1024, the same at all schedulers of the pool", c.Shards)
	fault(c.Trace.Tasks < 0 || c.Trace.Tasks > 1000, "trace.tasks %d: give 0 to 1000, the tasks of a job that are traced", c.Trace.Tasks)
	if c.Advertise != "" {
		_, _, err := net.SplitHostPort(c.Advertise)
		fault(err != nil, "advertise %q: give host:port as others can dial it", c.Advertise)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
		most  time.Duration
	}{
		{"drain_budget", c.DrainBudget, time.Minute},
		{"resolution_max_age", c.ResolutionMaxAge, time.Hour},
		{"answer_budget", c.AnswerBudget, time.Minute},
		{"submit_budget", c.SubmitBudget, 10 * time.Minute},
	} {
		fault(d.value <= 0 || d.value > d.most, "%s %s: give more than 0 and at most %s", d.key, d.value, d.most)
	}
	return errors.Join(append(faults, c.Retention.Validate())...)
}
