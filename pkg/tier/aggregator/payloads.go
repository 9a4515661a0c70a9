package aggregator

import (
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of the capsules and target lists that are held, of all jobs together.
const (
	mostPayloadBytes = 1 << 30
	targetBytes      = 128 // of a target and its part of the tree, about
)

// weight is how much of them is held, in bytes, about.
type weight struct{ held, limit int64 }

func (j *knownJob) size() int64 {
	n := int64(len(j.capsule.GetPayload()))
	for _, r := range j.ranges {
		n += targetBytes * int64(len(r.targets))
	}
	return n
}

// weigh counts a job as it is now.
func (h *hub) weigh(j *knownJob) {
	now := j.size()
	h.weight.held += now - j.bytes
	j.bytes = now
}

// roomFor refuses a payload for which there is no room. Its releases are not
// lost: the scheduler has them, asks what became of them, and sends them again.
func (h *hub) roomFor(id job.ID, p *payload) error {
	more := int64(len(p.envelope.GetPayload())) + targetBytes*int64(len(p.run.targets))
	if j := h.jobs[id]; j != nil && j.capsule != nil {
		more -= int64(len(j.capsule.GetPayload()))
		if _, known := j.target(p.run.first); known {
			return nil
		}
	}
	if h.weight.held+more > h.weight.limit {
		return fmt.Errorf("%w: %d bytes of payloads are held, and this one has %d; it is taken when some are done", wire.ErrTooMuch, h.weight.held, more)
	}
	return nil
}
