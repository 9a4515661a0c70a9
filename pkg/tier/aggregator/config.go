package aggregator

import (
	"errors"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// Config is what an operator sets.
type Config struct {
	// Name is unique among aggregators, and that of the certificate.
	Name string `mapstructure:"name"`
	// Room is whose hosts dial in.
	Room string `mapstructure:"room"`
	// Advertise is the address that schedulers dial.
	Advertise string `mapstructure:"advertise"`
	// HeartbeatInterval is what hosts are told; default 10 s.
	HeartbeatInterval time.Duration `mapstructure:"heartbeat_interval"`
	// Push is whether commands and stops go to a host as soon as they are there;
	// default true. Without it they wait for the host's next heartbeat: all works
	// as ever, heartbeat_interval later. It is for who suspects the push of a fault.
	Push bool `mapstructure:"push"`
	// MissedHeartbeats is how many may be missing before a host is away; default 3.
	MissedHeartbeats int `mapstructure:"missed_heartbeats"`
	// MaxSessions is how many hosts are taken; more are told to try elsewhere or
	// later. Default 18,000.
	MaxSessions int `mapstructure:"max_sessions"`
	// AdmitPerSecond is how many new sessions are taken in a second; default 2,000.
	AdmitPerSecond int `mapstructure:"admit_per_second"`
	// MaxTasks is how many tasks, with a release on its way down or a report
	// waiting for its Forget, are held before credit is withheld; default 300,000.
	MaxTasks int `mapstructure:"max_tasks"`
	// BlobBytes bounds outputs that wait for their Forget: 32 MiB for each of at
	// most 8 classes, and the rest for who needs it. Default 512 MiB.
	BlobBytes int64 `mapstructure:"blob_bytes"`
	// ReportWindow is how many reports of one class a host may send ahead; default 256.
	ReportWindow uint32 `mapstructure:"report_window"`
	// ReleaseWindow is how many releases of one class a scheduler may send ahead;
	// default 20,000.
	ReleaseWindow uint32 `mapstructure:"release_window"`
	// SendTimeout is how long one message may take to leave before its session or
	// stream is ended; default 30 s.
	SendTimeout time.Duration `mapstructure:"send_timeout"`
	// LeaseTTL is how soon schedulers see that this process is dead; default 5 s.
	LeaseTTL time.Duration `mapstructure:"lease_ttl"`
	// DrainBudget is how long calls may go on after a stop was asked for; default 5 s.
	DrainBudget time.Duration `mapstructure:"drain_budget"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		HeartbeatInterval: 10 * time.Second, Push: true, MissedHeartbeats: 3,
		MaxSessions: 18_000, AdmitPerSecond: 2_000, MaxTasks: 300_000, BlobBytes: 512 << 20,
		ReportWindow: 256, ReleaseWindow: 20_000,
		SendTimeout: 30 * time.Second, LeaseTTL: 5 * time.Second, DrainBudget: 5 * time.Second,
	}
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		fault("name is not set: give this aggregator a name of its own, that of its certificate")
	}
	if _, err := fleet.ParseRoom(c.Room); err != nil {
		fault("room %q: %w", c.Room, err)
	}
	if c.Advertise == "" {
		fault("advertise is not set: give the address at which schedulers reach the mesh port")
	}
	for _, d := range []struct {
		key   string
		value time.Duration
		most  time.Duration
	}{
		{"heartbeat_interval", c.HeartbeatInterval, 10 * time.Minute},
		{"send_timeout", c.SendTimeout, 10 * time.Minute},
		{"lease_ttl", c.LeaseTTL, time.Minute},
		{"drain_budget", c.DrainBudget, time.Minute},
	} {
		if d.value <= 0 || d.value > d.most {
			fault("%s %s: give more than 0 and at most %s", d.key, d.value, d.most)
		}
	}
	for _, n := range []struct {
		key   string
		value int64
		least int64
	}{
		{"missed_heartbeats", int64(c.MissedHeartbeats), 2},
		{"max_sessions", int64(c.MaxSessions), 1},
		{"admit_per_second", int64(c.AdmitPerSecond), 1},
		{"max_tasks", int64(c.MaxTasks), 1},
		{"blob_bytes", c.BlobBytes, mostShares * blobShare},
		{"report_window", int64(c.ReportWindow), 1},
		{"release_window", int64(c.ReleaseWindow), 1},
	} {
		if n.value < n.least {
			fault("%s %d: give at least %d", n.key, n.value, n.least)
		}
	}
	return errors.Join(faults...)
}
