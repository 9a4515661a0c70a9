package executor

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

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
		sum, err := hash(spool.OutputPath(dir.Path(""), attempt, i), o.Kept[i])
		if err != nil {
			return sums
		}
		copy(sums[i][:], sum)
		texts[i] = hex.EncodeToString(sum)
	}
	_ = dir.KeepDigest(attempt, texts) // a cache
	return sums
}

func hash(path string, size uint64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // its name is made of an id that was checked
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(file, int64(size))); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
