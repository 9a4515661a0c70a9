package aggregator

import (
	"google.golang.org/protobuf/proto"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// saving is one batch on its way to the disk: what was true when it was taken.
// Nothing of it is encoded while the hub's mutex is held.
type saving struct {
	items  []item
	pages  []page
	undone []*bool // what counts as saved, unless the batch comes to nothing
	redone []*bool // what counts as deleted, likewise
	bytes  int
}

// page is one entry that is to be written. Everything that it leads to is never
// changed once it is here.
type page struct {
	key    string
	encode func() []byte // nil: the entry is deleted
}

// nextBatch takes the items whose turn it is; nil: there are none. onlyGone: only
// those that make room.
func (h *hub) nextBatch(onlyGone bool) *saving {
	l := h.ledger
	b := &saving{}
	var kept []item
	n := 0
	for n < len(l.items) && len(b.items) < l.most && b.bytes < commitBytes {
		it := l.items[n]
		n++
		if onlyGone && !it.onlyGoes() {
			kept = append(kept, it)
			continue
		}
		b.items = append(b.items, it)
		h.save(b, it)
	}
	l.items = append(kept, l.items[n:]...)
	if len(b.items) == 0 {
		return nil
	}
	return b
}

// onlyGoes reports whether writing the item makes room.
func (it item) onlyGoes() bool {
	return it.key != "" || it.record != nil && it.record.gone && it.record.host.saved == it.record.host.owes()
}

// save puts what is true of an item into a batch.
func (h *hub) save(b *saving, it item) {
	switch {
	case it.record != nil:
		it.record.save(b)
	case it.host != nil:
		it.host.unsaved = false
		it.host.save(b)
	case it.unknown:
		b.put(hostKey(""), 1, func() []byte { return []byte{keptVersion} })
	default:
		b.remove(it.key)
	}
}

func (b *saving) put(key string, bytes int, encode func() []byte) {
	b.pages = append(b.pages, page{key, encode})
	b.bytes += len(key) + bytes
}

func (b *saving) remove(key string) { b.put(key, 0, nil) }

// claim counts something as saved with this batch; false: it is already.
func (b *saving) claim(saved *bool) bool {
	if *saved {
		return false
	}
	*saved = true
	b.undone = append(b.undone, saved)
	return true
}

// save writes the record, after what it needs; one that is gone is deleted, after
// the mark that its host may not have heard the Forget.
func (r *record) save(b *saving) {
	r.unsaved = false
	key := taskKey(r.job.id, r.inc, r.host.id)
	if r.gone {
		if r.host.owes() {
			r.host.save(b)
		}
		if r.onDisk {
			r.onDisk = false
			b.remove(key)
		}
		return
	}
	if r.queued {
		r.job.save(b, r.run)
	}
	for _, digest := range r.refs {
		r.host.hub.blobs.save(b, digest)
	}
	r.onDisk = true // a batch that comes to nothing leaves it so: to delete what is not there does no harm
	kept := keptTask{wish: r.wish, said: r.said}
	if r.queued {
		kept.release = &job.Dispatch{Ordinal: r.ordinal, Attempt: r.attempt, Want: r.want}
	} else {
		kept.attempt = r.attempt
	}
	b.put(key, r.size+keptTaskFrame, kept.bytes)
}

// save writes or deletes the mark of the host.
func (ho *host) save(b *saving) {
	switch owes := ho.owes(); {
	case owes && b.claim(&ho.saved):
		b.put(hostKey(ho.id), 1, func() []byte { return []byte{keptVersion} })
	case !owes && ho.saved:
		ho.saved = false
		b.redone = append(b.redone, &ho.saved)
		b.remove(hostKey(ho.id))
	}
}

// save writes the capsule and a run of the targets.
func (j *knownJob) save(b *saving, run *targetRange) {
	if b.claim(&j.saved) {
		kept := keptJob{pool: j.pool, capsule: j.capsule}
		b.put(jobKey(j.id), envelopeSize(j.capsule), kept.bytes)
	}
	if b.claim(&run.saved) {
		run.onDisk = true
		b.put(runKey(j.id, run.first), len(run.targets)*keptTargetFrame, run.bytes)
	}
}

// save writes a blob.
func (b *blobs) save(to *saving, digest [32]byte) {
	if known := b.by[digest]; known != nil && to.claim(&known.saved) {
		content := known.content
		to.put(blobKey(digest), len(content), func() []byte { return append([]byte{keptVersion}, content...) })
	}
}

// changes encodes a batch. It is called without the hub's mutex.
func (b *saving) changes() []roomspool.Change {
	out := make([]roomspool.Change, 0, len(b.pages))
	for _, p := range b.pages {
		c := roomspool.Change{Key: p.key}
		if p.encode != nil {
			c.Value = p.encode()
		}
		out = append(out, c)
	}
	return out
}

// undo puts a batch that came to nothing back, before all else.
func (h *hub) undo(b *saving) {
	for _, saved := range b.undone {
		*saved = false
	}
	for _, saved := range b.redone {
		*saved = true
	}
	for _, it := range b.items { // one that has changed again is in two places now, which does no harm
		switch {
		case it.record != nil:
			it.record.unsaved, it.record.onDisk = true, true
		case it.host != nil:
			it.host.unsaved = true
		}
	}
	h.ledger.items = append(b.items, h.ledger.items...)
}

// marshal encodes a message that this process made, or has read.
func marshal(m proto.Message) []byte {
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil { // cannot be: its strings came over the wire
		return nil
	}
	return out
}
