package agent

// Ticket is the context that the agent leaves with the executor.
func Ticket(pool, class string, ordinal uint32) []byte {
	return ticket{pool: pool, class: class, ordinal: ordinal}.encode()
}

// Limits for the tests of this package that are outside it.
const (
	MostCached    = mostCached
	MaxMessage    = maxMessage
	LeastInterval = leastInterval
	MostInterval  = mostInterval
)

// MaxViews is maxViews.
const MaxViews = maxViews
