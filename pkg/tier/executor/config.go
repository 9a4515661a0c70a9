package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
)

// Config is what an executor is told.
type Config struct {
	// StateDir is the directory that holds everything it knows; absolute.
	StateDir string `mapstructure:"state_dir"`
	// Socket is the path of its unix socket; absolute, at most 100 bytes.
	Socket string `mapstructure:"socket"`
	// EndProcess is the program ccs-endprocess; absolute.
	EndProcess string `mapstructure:"endprocess"`
	// Slots is how many commands of one slot group run at a time, 1..10000.
	Slots int `mapstructure:"slots"`
	// SlotsTotal is how many commands of all groups together run at a time,
	// 1..100000, and at least Slots whatever it says: so a host that was given many
	// slots before there was a total keeps them. 0: each group counts alone.
	SlotsTotal int `mapstructure:"slots_total"`
	// MaxRecords is how many commands are remembered, tombstones included,
	// 100..1000000. At the limit new ones are answered BUSY.
	MaxRecords int `mapstructure:"max_records"`
	// Cgroup says which cgroups commands are put in: auto (what limits most),
	// v1, v2 or none. Empty: none.
	Cgroup string `mapstructure:"cgroup"`
	// CgroupParent is the group below which they are made, as a path within the
	// hierarchies such as /ccs.slice. Empty: the executor's own.
	CgroupParent string `mapstructure:"cgroup_parent"`
	// SpoolBytes is what all commands in the state directory may take, with what
	// their output may come to, at least 64 MiB. At the limit new ones are refused.
	SpoolBytes int64 `mapstructure:"spool_bytes"`
	// MinFreeBytes is how much of its disk must be free for a command to be
	// accepted; 0: it is not looked at.
	MinFreeBytes int64 `mapstructure:"min_free_bytes"`
}

// Default is the configuration of a host that says nothing.
func Default() Config {
	c := Config{
		StateDir: "/var/lib/ccs/executor", Socket: "/run/ccs/executor.sock",
		Slots: 64, SlotsTotal: 256, MaxRecords: 50_000, SpoolBytes: 10 << 30, MinFreeBytes: 256 << 20, Cgroup: string(cgroup.UseAuto),
	}
	if self, err := os.Executable(); err == nil {
		c.EndProcess = filepath.Join(filepath.Dir(self), "ccs-endprocess")
	}
	return c
}

// leastSpool fits a command with the longest outputs.
const leastSpool = 64 << 20

// Validate names every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	// A unix socket's address holds 108 bytes; some are kept for a temporary name.
	const socketLen = 100
	fault(!filepath.IsAbs(c.StateDir), "state_dir: %q is not an absolute path; name a directory on a local disk", c.StateDir)
	fault(!filepath.IsAbs(c.Socket), "socket: %q is not an absolute path; name a file such as /run/ccs/executor.sock", c.Socket)
	fault(len(c.Socket) > socketLen, "socket: the path has %d bytes, the kernel takes about %d; choose a shorter one", len(c.Socket), socketLen)
	fault(c.Slots < 1 || c.Slots > 10_000, "slots: %d is not within 1..10000", c.Slots)
	fault(c.SlotsTotal < 0 || c.SlotsTotal > 100_000, "slots_total: %d is not within 0..100000", c.SlotsTotal)
	fault(!cgroup.Choice(c.Cgroup).Valid(), "cgroup: %q is none of auto, none, v1, v2", c.Cgroup)
	fault(c.CgroupParent != "" && !filepath.IsAbs(c.CgroupParent), "cgroup_parent: %q does not begin with a slash; it is a path below the cgroup mounts, such as /ccs.slice", c.CgroupParent)
	fault(c.MaxRecords < 100 || c.MaxRecords > 1_000_000, "max_records: %d is not within 100..1000000", c.MaxRecords)
	fault(c.SpoolBytes < leastSpool, "spool_bytes: %d is less than %d, and one command could not keep its output; give it more", c.SpoolBytes, leastSpool)
	fault(c.MinFreeBytes < 0, "min_free_bytes: %d is negative; 0 means that it is not looked at", c.MinFreeBytes)
	if st, err := os.Stat(c.EndProcess); err != nil || st.IsDir() || st.Mode()&0o111 == 0 || !filepath.IsAbs(c.EndProcess) {
		fault(true, "endprocess: %q is not the absolute path of a program; it is installed as ccs-endprocess beside ccs-executor", c.EndProcess)
	}
	return errors.Join(faults...)
}
