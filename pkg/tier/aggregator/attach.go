package aggregator

import (
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of one message of attachments.
const (
	attachHosts = 1000
	attachBytes = 256 << 10
	attachFrame = 96 // an attachment without its facts and names
)

// attachmentChanged lets every scheduler know that a host came or went.
func (h *hub) attachmentChanged(ho *host) {
	for _, st := range h.streams {
		st.hosts.Put(ho)
		st.poke()
	}
}

// tellAllEvery is how often a scheduler is told of all hosts that are here: a
// change that got lost would else be missed as long as its stream lasts.
const tellAllEvery = 10 * time.Minute

// tellAll makes a snapshot due.
func (st *stream) tellAll(now time.Time) {
	for _, ho := range st.hub.hosts {
		if ho.session != nil {
			st.hosts.Put(ho)
		}
	}
	st.snapshot, st.begun, st.whole = st.hosts.Pending(), false, now
}

// tellAllAgain makes another snapshot due, now and then.
func (st *stream) tellAllAgain(now time.Time) {
	if st.snapshot >= 0 || now.Sub(st.whole) < tellAllEvery {
		return
	}
	st.tellAll(now)
	st.poke()
}

// nextAttachments is the next piece of the snapshot, and then of what has
// changed; nil: nothing has. What is said is true when it is sent: a host that
// left since is said to have left, in the snapshot too.
func (st *stream) nextAttachments() *meshv1.Attachments {
	if st.hosts.Pending() == 0 && st.snapshot < 0 {
		return nil
	}
	out := &meshv1.Attachments{SnapshotBegin: !st.begun}
	st.begun = true
	for bytes := 0; st.snapshot != 0 && len(out.GetItems()) < attachHosts && bytes < attachBytes; {
		_, keys := st.hosts.Next(1)
		if len(keys) == 0 {
			break
		}
		st.hosts.Forget(keys[0]) // the stream is reliable, and a new one begins with a snapshot
		last := keys[0].last
		bytes += attachFrame + len(last.Host) + len(last.Address)
		for key, value := range last.Facts {
			bytes += len(key) + len(value) + 8
		}
		out.Items = append(out.Items, wire.AttachmentToProto(last))
		if st.snapshot > 0 {
			st.snapshot--
		}
	}
	if st.snapshot == 0 {
		out.SnapshotEnd, st.snapshot = true, -1
	}
	return out
}
