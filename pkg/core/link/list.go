package link

// entry is one key of an outbox and its place in exactly one list.
type entry[K comparable] struct {
	key        K
	number     uint64 // the batch it was last sent in; meaningless while dirty
	in         *list[K]
	prev, next *entry[K]
}

// list is a doubly linked queue. The zero value is empty. It is written here
// because container/list boxes every value.
type list[K comparable] struct {
	first, last *entry[K]
	n           int
}

// push appends an entry that is in no list.
func (l *list[K]) push(e *entry[K]) {
	e.in, e.prev, e.next = l, l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.n++
}

// unshift puts an entry that is in no list before all others.
func (l *list[K]) unshift(e *entry[K]) {
	e.in, e.prev, e.next = l, nil, l.first
	if l.first == nil {
		l.last = e
	} else {
		l.first.prev = e
	}
	l.first = e
	l.n++
}

// remove takes an entry out of its list.
func (e *entry[K]) remove() {
	l := e.in
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	l.n--
}
