package agent

import (
	"maps"
	"slices"
	"sync"
)

// State is what an agent keeps over its own restarts, by name. Names are one
// path element of [a-z0-9.-]. Safe for concurrent use.
//
// Losing all of it is survived: the executor knows what was started, the
// aggregator what was not taken over, and session numbers are reserved anew.
type State interface {
	// Load returns what was saved; nil if there is none.
	Load(name string) ([]byte, error)
	// Save replaces what was saved, in one step. If durable it is on disk when
	// Save returns; else it outlives the process, but perhaps not the machine.
	Save(name string, content []byte, durable bool) error
	// Remove forgets what was saved; that there is nothing is no fault.
	Remove(name string) error
	// List returns the names that begin with prefix, ascending.
	List(prefix string) ([]string, error)
}

// What is kept, by name.
const (
	sessionsName = "sessions" // a block of session numbers
	bundleName   = "bundle"   // the newest bundle, as it was signed
	copyPrefix   = "copy-"    // and the job id: a command that the executor does not have yet
)

// MemoryState is a State without a disk, for agents that share a process. The
// zero value is empty.
type MemoryState struct {
	mu    sync.Mutex
	files map[string][]byte // guarded by mu
}

// Load implements State.
func (m *MemoryState) Load(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[name], nil
}

// Save implements State.
func (m *MemoryState) Save(name string, content []byte, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	m.files[name] = slices.Clone(content)
	return nil
}

// Remove implements State.
func (m *MemoryState) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// List implements State.
func (m *MemoryState) List(prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return withPrefix(slices.Sorted(maps.Keys(m.files)), prefix), nil
}
