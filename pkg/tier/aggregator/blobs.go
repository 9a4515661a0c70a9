package aggregator

import "github.com/ccs-project/ccs/pkg/wire"

// What outputs may take.
const (
	blobShare     = 2 * wire.MaxBlob // of each class: one task has two outputs
	mostHostBytes = 2 * wire.MaxBlob // of one host and class
)

// blobs is outputs by their digest. The hub's mutex guards it.
type blobs struct {
	held  budget // bytes that are here, and set aside for what is being uploaded
	by    map[[32]byte]*blob
	freed chan struct{} // closed when bytes are given back

	ledger *ledger // nil: nothing is on a disk
}

type blob struct {
	content []byte // never changed
	refs    int    // records and uploads that need it
	payer   payer
	saved   bool // it is on the disk
}

// payer is who brought a blob, and the class that is charged for it.
type payer struct {
	host  *host
	class string
}

func newBlobs(limit int64) blobs {
	return blobs{held: newBudget(limit, blobShare), by: map[[32]byte]*blob{}, freed: make(chan struct{})}
}

// ref holds a blob once more; false: it is not here.
func (b *blobs) ref(digest [32]byte) bool {
	known := b.by[digest]
	if known == nil {
		return false
	}
	known.refs++
	return true
}

// put holds a blob, which may be here already. Its bytes count from now.
func (b *blobs) put(digest [32]byte, content []byte, p payer) {
	if b.ref(digest) {
		return
	}
	b.by[digest] = &blob{content: content, refs: 1, payer: p}
	b.charge(p, int64(len(content)))
}

// unref gives a blob up; with the last who needs it, it goes.
func (b *blobs) unref(digest [32]byte) {
	known := b.by[digest]
	if known == nil {
		return
	}
	if known.refs--; known.refs == 0 {
		delete(b.by, digest)
		b.giveBack(known.payer, int64(len(known.content)))
		if known.saved {
			b.ledger.gone(blobKey(digest))
		}
	}
}

// setAside takes room for an upload; false: there is none now, and freed is
// closed when it is worth another try. The last of the room is for who completes
// a report: else two hosts that hold half of theirs could wait for each other.
func (b *blobs) setAside(p payer, size int64, completes bool) (ok bool, freed <-chan struct{}) {
	room := b.held.free(p.class)
	if !completes {
		room -= wire.MaxBlob
	}
	if size > room || p.host.bytes[p.class]+size > mostHostBytes {
		return false, b.freed
	}
	b.charge(p, size)
	return true, nil
}

func (b *blobs) giveBack(p payer, size int64) {
	if size == 0 {
		return
	}
	b.charge(p, -size)
	close(b.freed)
	b.freed = make(chan struct{})
}

func (b *blobs) charge(p payer, size int64) {
	b.held.charge(p.class, size)
	if p.host.bytes == nil {
		p.host.bytes = map[string]int64{}
	}
	p.host.bytes[p.class] += size
}
