package wire

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// LiveDigest names a set of commands that are accepted and have not ended, as a
// heartbeat does: SHA-256 over their ids, 16 bytes each, ascending. The slice is
// sorted in place.
func LiveDigest(ids []job.ID) [32]byte {
	slices.SortFunc(ids, func(a, b job.ID) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for i := range ids {
		_, _ = h.Write(ids[i][:]) // a hash never fails
	}
	return [32]byte(h.Sum(nil))
}
