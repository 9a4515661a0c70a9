package fakehost

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// DefaultRecords is how many commands a host remembers, tombstones included.
const DefaultRecords = 50_000

// Host is one host's executor, and the disk below it. It implements the agent's
// Executor. Make it with New; it has no goroutines of its own.
type Host struct {
	mu sync.Mutex
	// mu guards what follows.
	incarnation fleet.Incarnation
	nextSession uint64
	commands    map[string]*command
	tombs       map[string]time.Time // released, with their remember-until
	purged      time.Time            // W
	heard       time.Time
	records     int
	away        bool
	old         bool // it does not know withdrawals
	watchers    map[*watcher]struct{}
	starts      map[Attempt]int
	calls       map[string]int
	play        Play
	news        chan struct{} // closed when anything was written, or has changed
}

// Attempt names one start of a command.
type Attempt struct {
	ID string
	N  uint32
}

// command is what is known of one command.
type command struct {
	wire.HostCommand
	outputs [2][]byte   // by stream, kept bytes of the latest attempt, which has ended
	said    [2][]byte   // by stream, all that it wrote so far
	end     *time.Timer // of what runs; nil: nothing does
}

// New is a host with a new state directory. play says what commands do; nil:
// Shell.
func New(play Play) *Host {
	h := &Host{
		nextSession: 1, records: DefaultRecords, play: play,
		commands: map[string]*command{}, tombs: map[string]time.Time{},
		watchers: map[*watcher]struct{}{}, starts: map[Attempt]int{}, calls: map[string]int{},
		news: make(chan struct{}),
	}
	if play == nil {
		h.play = Shell
	}
	_, _ = rand.Read(h.incarnation[:]) // never fails
	return h
}

// Incarnation is that of the state directory.
func (h *Host) Incarnation() fleet.Incarnation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.incarnation
}

// GoAway makes the executor unreachable; what runs goes on.
func (h *Host) GoAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = true
	h.endWatches(errAway)
}

// ComeBack makes it reachable again.
func (h *Host) ComeBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = false
}

// Wipe loses the state directory: the host has a new incarnation.
func (h *Host) Wipe() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.commands {
		c.halt()
	}
	_, _ = rand.Read(h.incarnation[:]) // never fails
	h.commands, h.tombs = map[string]*command{}, map[string]time.Time{}
	h.purged, h.nextSession = time.Time{}, 1
	h.endWatches(errAway)
}

// Reboot ends everything that runs, as a crash of the machine does.
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.commands {
		if c.Report.State >= task.Starting && c.Report.State.Live() {
			c.halt()
			h.settle(c, task.Lost, task.Exit{Reason: task.Rebooted})
		}
	}
}

// SetRecords changes how many commands are remembered; at the limit new ones
// are answered BUSY.
func (h *Host) SetRecords(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records = n
}

// KnowsWithdrawals says whether it is an executor that can be told to withdraw a
// command, or one of the version before.
func (h *Host) KnowsWithdrawals(does bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.old = !does
}

// SetPurged sets W: what is not known with an E up to it is not started.
func (h *Host) SetPurged(w time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.purged = w
}

// Lose makes the kept outputs of a command unreadable.
func (h *Host) Lose(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.commands[id]; c != nil {
		c.outputs = [2][]byte{}
	}
}

// Starts is how often an attempt was started: never more than once.
func (h *Host) Starts(id string, attempt uint32) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.starts[Attempt{id, attempt}]
}

// Calls is how often a method was called and not found the executor away.
func (h *Host) Calls(method string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[method]
}

// Report is what is known of a command; false: nothing.
func (h *Host) Report(id string) (task.Report, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.commands[id]
	if c == nil {
		return task.Report{}, false
	}
	return c.Report, true
}

// Tombstone reports whether a command is remembered as released.
func (h *Host) Tombstone(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.tombs[id]
	return ok
}

var errAway = fmt.Errorf("%w: the executor is away", wire.ErrUnavailable)

// enter counts a call. The caller holds mu.
func (h *Host) enter(method string) error {
	if h.away {
		return errAway
	}
	h.calls[method]++
	return nil
}

var errNoAttempt = errors.New("the attempt is 0, attempts count from 1")

// halt stops the clock of what runs.
func (c *command) halt() {
	if c.end != nil {
		c.end.Stop()
		c.end = nil
	}
}
