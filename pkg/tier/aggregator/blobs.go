package aggregator

// blobs is outputs by their digest. The hub's mutex guards it.
type blobs struct {
	limit int64
	bytes int64 // held, and set aside for what is being uploaded
	by    map[[32]byte]*blob
	freed chan struct{} // closed when bytes are given back
}

type blob struct {
	content []byte // never changed
	refs    int    // records and uploads that need it
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
func (b *blobs) put(digest [32]byte, content []byte) {
	if b.ref(digest) {
		return
	}
	b.by[digest] = &blob{content: content, refs: 1}
	b.bytes += int64(len(content))
}

// unref gives a blob up; with the last who needs it, it goes.
func (b *blobs) unref(digest [32]byte) {
	known := b.by[digest]
	if known == nil {
		return
	}
	if known.refs--; known.refs == 0 {
		delete(b.by, digest)
		b.giveBack(int64(len(known.content)))
	}
}

// setAside takes room for an upload; false: there is none now, and freed is
// closed when it is worth another try.
func (b *blobs) setAside(size int64) (ok bool, freed <-chan struct{}) {
	if b.bytes+size > b.limit {
		return false, b.freed
	}
	b.bytes += size
	return true, nil
}

func (b *blobs) giveBack(size int64) {
	if size == 0 {
		return
	}
	b.bytes -= size
	close(b.freed)
	b.freed = make(chan struct{})
}
