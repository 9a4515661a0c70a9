package fleet

import "time"

// Via names the aggregator that holds a host's session.
type Via string

// Presence is what is known of a host's session.
type Presence uint8

// The closed set of presences.
const (
	NeverSeen Presence = iota // no aggregator has ever said anything of it
	Here                      // it has a session
	Away                      // its session ended
	Unsure                    // the stream to its aggregator broke: it may or may not have a session
)

// String returns the name of p.
func (p Presence) String() string {
	switch p {
	case NeverSeen:
		return "never seen"
	case Here:
		return "here"
	case Away:
		return "away"
	case Unsure:
		return "unsure"
	}
	return "invalid presence"
}

// ChangeKind says what a message of an aggregator changed.
type ChangeKind uint8

// The closed set of changes.
const (
	NoChange     ChangeKind = iota // nothing that matters to a job
	Came                           // it has a session and had none, as far as was known
	Moved                          // it has a session at another aggregator than before
	Gone                           // it has no session any more
	LostSight                      // its aggregator cannot be asked
	Reincarnated                   // it has a session, and its old state is lost
	Stale                          // said of a superseded incarnation or of an older session, and ignored
)

// String returns the name of k.
func (k ChangeKind) String() string {
	switch k {
	case NoChange:
		return "no change"
	case Came:
		return "came"
	case Moved:
		return "moved"
	case Gone:
		return "gone"
	case LostSight:
		return "lost sight"
	case Reincarnated:
		return "reincarnated"
	case Stale:
		return "stale"
	}
	return "invalid change"
}

// Change is what became of a host. Where Kind is NoChange or Stale the rest
// says what holds on.
type Change struct {
	Kind        ChangeKind
	Host        HostID
	Incarnation Incarnation
	Via         Via // that it is, or was last, attached to
	At          time.Time
}
