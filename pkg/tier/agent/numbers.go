package agent

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// blockSize is how many session numbers are reserved at once: one write at the
// executor for that many sessions.
const blockSize = 100

// numbers is a block of session numbers, reserved from the executor. It lets
// the agent open sessions while the executor is away.
type numbers struct {
	incarnation fleet.Incarnation
	next, end   uint64 // [next, end) may still be used
}

// left reports whether there is a number for this incarnation.
func (n numbers) left(of fleet.Incarnation) bool { return n.incarnation == of && n.next < n.end }

// String is the form on disk: incarnation, next, end.
func (n numbers) String() string {
	return fmt.Sprintf("%x %d %d\n", n.incarnation[:], n.next, n.end)
}

// parseNumbers reads what String wrote.
func parseNumbers(text string) (n numbers, err error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return numbers{}, fmt.Errorf("cannot read session numbers: %d fields, not 3", len(fields))
	}
	raw, err := hex.DecodeString(fields[0])
	if err != nil || len(raw) != len(n.incarnation) {
		return numbers{}, fmt.Errorf("cannot read session numbers: the incarnation is not %d bytes in hex", len(n.incarnation))
	}
	copy(n.incarnation[:], raw)
	if n.next, err = strconv.ParseUint(fields[1], 10, 64); err == nil {
		n.end, err = strconv.ParseUint(fields[2], 10, 64)
	}
	if err != nil {
		return numbers{}, fmt.Errorf("cannot read session numbers: %w", err)
	}
	return n, nil
}
