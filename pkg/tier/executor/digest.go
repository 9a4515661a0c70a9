package executor

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/ccs-project/ccs/pkg/host/spool"
)

// digests hashes the kept outputs of an attempt that has ended, or reads the
// hashes from where they were noted. An output that cannot be read has none.
func digests(dir *spool.Command, attempt uint32, o spool.Outcome) (sums [2][32]byte) {
	if o.Kept == [2]uint64{} {
		return sums
	}
	if noted, err := dir.Digest(attempt); err == nil {
		for i, text := range noted {
			if raw, err := hex.DecodeString(text); err == nil && len(raw) == len(sums[i]) {
				copy(sums[i][:], raw)
			}
		}
		return sums
	}
	var texts [2]string
	for i := range sums {
		if o.Kept[i] == 0 {
			continue
		}
		sum, err := hash(dir, attempt, i, o.Output(i))
		if err != nil {
			return sums
		}
		copy(sums[i][:], sum)
		texts[i] = hex.EncodeToString(sum)
	}
	_ = dir.KeepDigest(attempt, texts) // a cache
	return sums
}

// hash is over the head and then the tail.
func hash(dir *spool.Command, attempt uint32, stream int, kept spool.Drained) ([]byte, error) {
	output := dir.OpenOutput(attempt, stream)
	defer output.Close()
	h := sha256.New()
	err := output.Kept(kept, 0, make([]byte, chunk), func(_ uint64, content []byte) error {
		_, err := h.Write(content)
		return err
	})
	return h.Sum(nil), err
}
