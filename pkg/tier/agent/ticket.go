package agent

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"github.com/ccs-project/ccs/pkg/wire"
)

// ticket is what a report needs beside the outcome so that it finds its owner:
// the executor keeps it with the command, as opaque bytes.
type ticket struct {
	pool    string // as dispatched
	class   string // as signed; as dispatched where that is unreadable
	ordinal uint32 // in the signed list
}

// ticketVersion is the first byte.
const ticketVersion = 1

// maxRouteName bounds pool and class, which come from the aggregator.
const maxRouteName = 255

// ticketFor is the ticket of a command as it came. Names that are too long for
// any deployment are cut, so that a report always fits into a message.
func ticketFor(pool, class string, ordinal uint64) ticket {
	return ticket{pool: cutName(pool), class: cutName(class), ordinal: uint32(ordinal)}
}

func cutName(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxRouteName)], "")
}

func (t ticket) encode() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(ticketVersion)
	b.AddUint32(t.ordinal)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(cutName(t.pool))) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(cutName(t.class))) })
	return b.BytesOrPanic() // nothing in it can fail: the lengths are bounded
}

// parseTicket reads what encode wrote; the error wraps wire.ErrMessage.
func parseTicket(b []byte) (ticket, error) {
	s := cryptobyte.String(b)
	var t ticket
	var version uint8
	var pool, class cryptobyte.String
	if !s.ReadUint8(&version) || version != ticketVersion || !s.ReadUint32(&t.ordinal) ||
		!s.ReadUint8LengthPrefixed(&pool) || !s.ReadUint8LengthPrefixed(&class) || !s.Empty() {
		return ticket{}, fmt.Errorf("%w: %d bytes of context are not of this agent", wire.ErrMessage, len(b))
	}
	t.pool, t.class = string(pool), string(class)
	return t, nil
}
