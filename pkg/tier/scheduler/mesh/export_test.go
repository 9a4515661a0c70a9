package mesh

import "github.com/ccs-project/ccs/pkg/core/fleet"

// Names for the tests of this package that are outside it.
const (
	MaxMessage  = maxMessage
	MaxBlob     = maxBlob
	MaxOwed     = maxOwed
	MaxClasses  = maxClasses
	SendTimeout = sendTimeout
)

// TestPayload is a job of a class on n hosts in each of two rooms.
var TestPayload = testPayload

// Waiting is how many releases, stops and questions wait for an aggregator; -1:
// there is no stream.
func (m *Mesh) Waiting(via fleet.Via) int {
	l := m.link(via)
	if l == nil {
		return -1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		return -1
	}
	return l.queue.waiting
}
