package agent

// Ticket is the context that the agent leaves with the executor.
func Ticket(pool, class string, ordinal uint32) []byte {
	return ticket{pool: pool, class: class, ordinal: ordinal}.encode()
}
