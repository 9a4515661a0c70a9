package memory

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// Disk is the directory. It is safe for concurrent use.
type Disk struct {
	quota int64

	mu      sync.Mutex
	id      string
	entries map[string][]byte
	live    int64
	holder  *Spool        // nil: nobody has it open
	failing error         // of every commit
	stalled chan struct{} // not nil: commits wait until it is closed
}

// NewDisk is an empty directory. quota bounds keys and values, in bytes; 0: it
// has no bound.
func NewDisk(quota int64) *Disk {
	d := &Disk{quota: quota}
	d.Lose()
	return d
}

// Lose is a new directory in place of this one. It must not be open.
func (d *Disk) Lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	d.id, d.entries, d.live = hex.EncodeToString(id[:]), map[string][]byte{}, 0
}

// Open opens the spool; the error is roomspool.ErrLocked.
func (d *Disk) Open() (*Spool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holder != nil {
		return nil, roomspool.ErrLocked
	}
	d.holder = &Spool{disk: d}
	return d.holder, nil
}

// Crash ends whatever has the spool open, as if its process were killed.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holder = nil
}

// Fail makes every commit fail, as a full disk does; nil: they work again.
func (d *Disk) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
}

// Stall makes commits wait until resume is called, as a slow disk does.
func (d *Disk) Stall() (resume func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gate := make(chan struct{})
	d.stalled = gate
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stalled = nil
		close(gate)
	}
}

// Spool is the directory as one process has it open. It is safe for concurrent
// use.
type Spool struct{ disk *Disk }

// New is a spool of its own that ends with the process.
func New() *Spool {
	s, _ := NewDisk(0).Open() // nobody else has it
	return s
}

// ID names the directory.
func (s *Spool) ID() string {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.id
}

// All gives every entry to yield, in the order of keys, and stops at its first
// error. The value is only lent.
func (s *Spool) All(yield func(key string, value []byte) error) error {
	s.disk.mu.Lock()
	entries := maps.Clone(s.disk.entries)
	s.disk.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if err := yield(key, entries[key]); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes all of the changes durable, or none.
func (s *Spool) Commit(changes []roomspool.Change) error {
	if err := roomspool.Check(changes); err != nil {
		return err
	}
	s.wait()
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holder != s {
		return roomspool.ErrClosed
	}
	if d.failing != nil {
		return d.failing
	}
	if err := d.fits(changes); err != nil {
		return err
	}
	for _, c := range changes {
		d.live -= d.sizeOf(c.Key)
		delete(d.entries, c.Key)
		if c.Value != nil {
			d.entries[c.Key] = bytes.Clone(c.Value)
			d.live += d.sizeOf(c.Key)
		}
	}
	return nil
}

func (s *Spool) wait() {
	s.disk.mu.Lock()
	gate := s.disk.stalled
	s.disk.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// fits refuses what would be above the quota.
func (d *Disk) fits(changes []roomspool.Change) error {
	if d.quota == 0 {
		return nil
	}
	puts, after := false, d.live
	for _, c := range changes {
		after -= d.sizeOf(c.Key)
		if c.Value != nil {
			puts, after = true, after+int64(len(c.Key)+len(c.Value))
		}
	}
	if puts && after > d.quota {
		return fmt.Errorf("%w: %d of %d bytes are in use", roomspool.ErrFull, d.live, d.quota)
	}
	return nil
}

func (d *Disk) sizeOf(key string) int64 {
	value, known := d.entries[key]
	if !known {
		return 0
	}
	return int64(len(key) + len(value))
}

// Usage is what is held.
func (s *Spool) Usage() roomspool.Usage {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	room := d.quota
	if room == 0 {
		room = math.MaxInt64
	}
	return roomspool.Usage{Entries: len(d.entries), Live: d.live, Held: d.live, Room: room}
}

// Close lets somebody else open it. Closing twice does nothing.
func (s *Spool) Close() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.holder == s {
		s.disk.holder = nil
	}
	return nil
}
