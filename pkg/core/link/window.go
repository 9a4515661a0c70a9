package link

// maxClasses bounds a window against a peer that invents classes. A deployment
// has a handful.
const maxClasses = 64

// Window is per-class credit. A sender takes credit for what it sends and is
// granted more by its receiver. A receiver uses one too: it takes what it grants
// the peer, and returns what it has worked off.
//
// Per class, credit that is free and credit that is taken are never negative and
// together never above the limit. Not safe for concurrent use.
type Window struct {
	limit   uint32
	classes map[string]*credit
}

// credit is one class's account.
type credit struct{ free, taken uint32 }

// NewWindow makes a window without credit. limit is the most that any class may
// hold, and so the most that a peer's grants can make this process send.
func NewWindow(limit uint32) *Window {
	return &Window{limit: limit, classes: map[string]*credit{}}
}

// Grant adds what the peer gave, and returns how much of it was added: what
// would pass the limit is not, nor is anything for more than 64 classes. Granted
// credit replaces taken credit first, because a peer grants as it works off.
func (w *Window) Grant(class string, more uint32) uint32 {
	c := w.classes[class]
	if c == nil {
		if len(w.classes) >= maxClasses || more == 0 || w.limit == 0 {
			return 0
		}
		c = &credit{}
		w.classes[class] = c
	}
	added := min(more, w.limit-c.free)
	plant("credit is lost", func() { added -= min(added, c.taken/w.limit) })
	c.taken -= min(c.taken, added)
	c.free += added
	return added
}

// Take takes at most want and returns how much there was.
func (w *Window) Take(class string, want uint32) uint32 {
	c := w.classes[class]
	if c == nil {
		return 0
	}
	n := min(want, c.free)
	c.free -= n
	c.taken += n
	plant("credit is not looked at", func() { n = want })
	return n
}

// Return gives back what was taken and not used, and returns how much was
// accepted: never more than is taken.
func (w *Window) Return(class string, unused uint32) uint32 {
	c := w.classes[class]
	if c == nil {
		return 0
	}
	n := min(unused, c.taken)
	c.taken -= n
	c.free += n
	return n
}

// Free is how much can be taken now.
func (w *Window) Free(class string) uint32 {
	if c := w.classes[class]; c != nil {
		return c.free
	}
	return 0
}

// Taken is how much is out.
func (w *Window) Taken(class string) uint32 {
	if c := w.classes[class]; c != nil {
		return c.taken
	}
	return 0
}
