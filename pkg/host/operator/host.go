package operator

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// Host is where things are on this machine. Its methods may be called from any
// goroutine, and beside any other process.
type Host struct {
	StateDir    string // of the executor
	AgentDir    string // of the agent
	OperatorDir string // of the operator: the freeze
}

// Process is one of the host's own processes, as it is found by its lock.
type Process struct {
	Up    bool
	PID   int       // 0: it is up and its pid cannot be read
	Since time.Time // when it began; zero: unknown
}

// Executor says whether an executor holds the state directory.
func (h Host) Executor(now time.Time) (Process, error) { return found(h.StateDir, now) }

// Agent says whether an agent holds its state directory.
func (h Host) Agent(now time.Time) (Process, error) { return found(h.AgentDir, now) }

func found(dir string, now time.Time) (Process, error) {
	pid, held, err := spool.HeldBy(dir)
	if err != nil || !held {
		return Process{}, err
	}
	p := Process{Up: true, PID: pid}
	if st, err := proc.ReadStat(pid); err == nil {
		p.Since = startedAt(st.Start, now)
	}
	return p, nil
}

// startedAt turns clock ticks since boot into a time of the host's clock.
func startedAt(ticks uint64, now time.Time) time.Time {
	ago := time.Duration(proc.Uptime()-ticks) * (time.Second / proc.TicksPerSecond)
	return now.Add(-ago).Truncate(time.Second)
}

// Link is what the agent says of its session. ErrMissing: it has said nothing
// yet.
func (h Host) Link() (spool.Link, error) {
	data, err := os.ReadFile(filepath.Join(h.AgentDir, spool.LinkFile))
	if errors.Is(err, fs.ErrNotExist) {
		return spool.Link{}, spool.ErrMissing
	}
	if err != nil {
		return spool.Link{}, err
	}
	return spool.DecodeLink(data)
}
