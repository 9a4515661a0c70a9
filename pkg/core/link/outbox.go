package link

// Outbox is what one sender owes one receiver, by key. A key is dirty (to be
// sent), in flight (sent in a numbered batch), had (the receiver has it), or
// forgotten, that is, not here. Only Forget removes a key: Have is hop by hop
// and may be void tomorrow.
//
// Every operation is O(1) amortised; memory is in proportion to the keys that
// are not forgotten, whatever was put, sent and acknowledged how often. Bounding
// the keys is the owner's. Order is deterministic. Not safe for concurrent use.
type Outbox[K comparable] struct {
	entries map[K]*entry[K]
	dirty   list[K] // in the order in which they became dirty
	flight  list[K] // ascending by batch
	had     list[K] // in the order in which they were sent
	last    uint64  // number of the last batch of this stream
	spool   string  // whose acknowledgements the had keys rest on
}

// NewOutbox makes an empty outbox.
func NewOutbox[K comparable]() *Outbox[K] {
	return &Outbox[K]{entries: map[K]*entry[K]{}}
}

// Put says that there is news of a key. A key that is dirty keeps its place; one
// that was sent or had is dirty again, behind all others, and a Have of the
// batch it was sent in does not change that.
func (o *Outbox[K]) Put(key K) {
	e := o.entries[key]
	switch {
	case e == nil:
		e = &entry[K]{key: key}
		o.entries[key] = e
	case e.in == &o.dirty:
		return
	default:
		e.remove()
	}
	o.dirty.push(e)
}

// Next takes at most limit dirty keys, the longest dirty first, as one batch
// with the next number of the stream; the first is 1. If nothing is dirty it
// returns 0 and uses no number. The slice is the caller's.
func (o *Outbox[K]) Next(limit int) (number uint64, keys []K) {
	if o.dirty.n == 0 || limit <= 0 {
		return 0, nil
	}
	number = o.last + 1
	return number, o.NextAs(number, limit)
}

// NextAs is Next for a stream whose messages have numbers of their own, such as
// heartbeats: number must be greater than that of every batch before it on this
// stream, else nothing is taken. A message without keys needs no call.
func (o *Outbox[K]) NextAs(number uint64, limit int) []K {
	if number <= o.last || o.dirty.n == 0 || limit <= 0 {
		return nil
	}
	o.last = number
	keys := make([]K, 0, min(limit, o.dirty.n))
	for len(keys) < cap(keys) {
		e := o.dirty.first
		e.remove()
		e.number = number
		o.flight.push(e)
		keys = append(keys, e.key)
	}
	return keys
}

// Have notes that the receiver has every batch up to number, and returns how
// many keys that moved. Repeated and late acknowledgements do no harm.
//
// A number past the last batch is taken as all batches: with NextAs the stream
// also numbers messages without keys. On a stream of batches alone the owner
// may compare with Last and end a session whose peer has what was never sent.
func (o *Outbox[K]) Have(number uint64) int {
	moved := 0
	for e := o.flight.first; e != nil && e.number <= number; e = o.flight.first {
		e.remove()
		o.had.push(e)
		plant("Have taken for Forget", func() { o.Forget(e.key) })
		moved++
	}
	return moved
}

// Open begins a new stream to a receiver that names its spool, and reports
// whether that spool is the one of the stream before. If it is, only what was in
// flight may not have arrived and is dirty again, before all else. If it is
// another one, or has no name, nothing counts as had: everything that is not
// forgotten is dirty again, as with Reset. Numbers begin at 1; an
// acknowledgement of an old stream must not come in here any more.
func (o *Outbox[K]) Open(spool string) (same bool) {
	same = spool != "" && spool == o.spool
	plant("what was in flight counts as had", func() { o.Have(o.last) })
	o.spool, o.last = spool, 0
	o.redo(&o.flight)
	if !same && !bug("no resync on a new spool") {
		o.redo(&o.had)
	}
	return same
}

// Reset makes everything that is not forgotten dirty again within a stream: the
// receiver asked for a resync, or has lost what it had. Keys come in the order in
// which they were last put or sent: had, in flight, dirty. Numbers go on.
func (o *Outbox[K]) Reset() {
	o.redo(&o.flight)
	o.redo(&o.had)
}

// redo puts a whole list before the dirty keys, in its order. Each key was paid
// for when it was sent.
func (o *Outbox[K]) redo(from *list[K]) {
	for e := from.last; e != nil; e = from.last {
		e.remove()
		o.dirty.unshift(e)
	}
}

// Forget removes a key, whatever became of it, and reports whether it was here.
// The caller has Forget from the shard's owner, or is that owner.
func (o *Outbox[K]) Forget(key K) bool {
	e := o.entries[key]
	if e == nil {
		return false
	}
	e.remove()
	delete(o.entries, key)
	return true
}

// Holds reports whether a key is here: put and not forgotten.
func (o *Outbox[K]) Holds(key K) bool { return o.entries[key] != nil }

// Len is the number of keys that are not forgotten.
func (o *Outbox[K]) Len() int { return len(o.entries) }

// Pending is the number of keys that Next can take now.
func (o *Outbox[K]) Pending() int { return o.dirty.n }

// InFlight is the number of keys that were sent and not acknowledged.
func (o *Outbox[K]) InFlight() int { return o.flight.n }

// Last is the number of the last batch of this stream; 0 if there was none.
func (o *Outbox[K]) Last() uint64 { return o.last }

// Spool is the spool id of the last Open: the one whose acknowledgements still
// count, to be named in the next hello. Empty if there is none.
func (o *Outbox[K]) Spool() string { return o.spool }

// Oldest is the key that has waited longest for the receiver to have it; false
// if the receiver has everything. How long that is knows who remembers when.
func (o *Outbox[K]) Oldest() (key K, ok bool) {
	switch {
	case o.flight.first != nil:
		return o.flight.first.key, true
	case o.dirty.first != nil:
		return o.dirty.first.key, true
	}
	return key, false
}
