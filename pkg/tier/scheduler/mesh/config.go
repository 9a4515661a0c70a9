package mesh

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds the mesh of one process.
type Config struct {
	// Name is the scheduler's name, as in its certificate.
	Name string
	// Pool is the pool that it serves.
	Pool string
	// Shards is the number of shards of the pool.
	Shards uint32
	// BootID is made at the start of the process: another one voids every Have.
	BootID string
	// Window is how many reports of a class an aggregator may send before they
	// are worked off; default 20,000.
	Window uint32
	// Retry is the first and the longest pause before a stream is opened again;
	// default 100 ms and 3 s.
	Retry, MaxRetry time.Duration
}

func (c *Config) setDefaults() {
	if c.Window == 0 {
		c.Window = 20_000
	}
	if c.Retry == 0 {
		c.Retry = 100 * time.Millisecond
	}
	if c.MaxRetry == 0 {
		c.MaxRetry = 3 * time.Second
	}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	for _, f := range []struct{ key, value string }{{"name", c.Name}, {"pool", c.Pool}, {"boot id", c.BootID}} {
		if f.value == "" {
			faults = append(faults, fmt.Errorf("mesh: %s must be set", f.key))
		}
	}
	if c.Shards == 0 {
		faults = append(faults, errors.New("mesh: the number of shards must be at least 1"))
	}
	return errors.Join(faults...)
}

// Bounds of messages, and of what is kept for a stream.
const (
	maxMessage      = 8 << 20 // bytes
	maxReleases     = 2_000   // in one dispatch, wish or query
	maxChunk        = 10_000  // targets in one payload
	maxBlob         = 16 << 20
	maxKnownPayload = 100_000 // payloads that a stream remembers to have sent
	maxOwed         = 500_000 // releases, stops and questions that wait; above, they are made again by the pull
	maxClasses      = 64      // in which an aggregator reports
)

// sendTimeout is how long one message may take to leave before its stream is
// ended: what waits for an aggregator that reads nothing would only grow.
const sendTimeout = 30 * time.Second
