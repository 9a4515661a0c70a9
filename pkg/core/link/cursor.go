package link

// Verdict is what a receiver does with a numbered message.
type Verdict uint8

// The verdicts.
const (
	Accepted  Verdict = iota + 1 // the next one: use it
	Duplicate                    // had already: drop it, acknowledge again
	Gap                          // some before it are missing: use it, and ask for everything again
)

// String names the verdict.
func (v Verdict) String() string {
	names := [...]string{"unspecified", "accepted", "duplicate", "gap"}
	if int(v) < len(names) {
		return names[v]
	}
	return names[0]
}

// Cursor is a receiver's place in one numbered stream, whose numbers begin at
// 1. Each stream, and on the mesh each class of a stream, has a new one: kept
// over to the next stream it would acknowledge there what came on the one
// before. The zero value has received nothing. Not safe for concurrent use.
//
// Messages say what is true now, so one after a gap is as good as any. What is
// missing comes again because the receiver asks for a resync, which makes the
// sender's Outbox dirty as a whole. That request must not leave later than an
// acknowledgement past the gap; Answer therefore gives both together, for one
// message.
type Cursor struct {
	last   uint64
	resync bool
}

// Observe takes the number of a message that has come. The number 0 is never
// given and counts as had.
func (c *Cursor) Observe(number uint64) Verdict {
	switch {
	case number <= c.last:
		return Duplicate
	case number == c.last+1 || bug("a gap counts as none"):
		c.last = number
		return Accepted
	}
	c.last, c.resync = number, true
	return Gap
}

// Have is the number up to which everything has come or is asked for again.
func (c *Cursor) Have() uint64 { return c.last }

// Answer is what goes into the next message back: the acknowledgement, and
// whether everything is asked for again. A gap asks once; if the message is lost
// so is the stream, and on the next one the sender repeats what was in flight.
func (c *Cursor) Answer() (have uint64, resync bool) {
	resync, c.resync = c.resync, false
	return c.last, resync
}
