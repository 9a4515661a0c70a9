package capsule

import (
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// RangeProof shows that a run of leaves is part of a tree.
type RangeProof struct {
	First  uint64 // index of the first leaf of the run
	Count  uint64 // leaves of the run, at least 1
	Size   uint64 // leaves of the tree, at most MaxTargets
	Hashes []Hash // of the largest subtrees wholly outside the run, left to right
}

// InclusionProof shows that one leaf is part of a tree (RFC 6962 section 2.1.1).
type InclusionProof struct {
	Index  uint64 // of the leaf
	Size   uint64 // leaves of the tree
	Hashes []Hash // audit path, from the leaf upwards
}

// MakeRangeProof is the proof of one run of the leaves of a tree, in O(n). Who
// needs several makes a tree with NewTree and asks it.
func MakeRangeProof(leaves []Hash, first, count uint64) (RangeProof, error) {
	t, err := NewTree(leaves)
	if err != nil {
		return RangeProof{}, err
	}
	return t.Range(first, count)
}

// VerifyRange reports whether these leaves are that run of the tree with this
// root. The error wraps ErrProof.
func VerifyRange(leaves []Hash, p RangeProof, root Hash) error {
	t, err := NewRangeTree(leaves, p)
	if err != nil {
		return err
	}
	if t.Root() != root {
		return fmt.Errorf("%w: targets %d..%d are not those of the signed list", ErrProof, p.First, p.First+p.Count-1)
	}
	return nil
}

// VerifyInclusion reports whether the leaf is at its index in the tree with this
// root. The error wraps ErrNotTarget.
func VerifyInclusion(leaf Hash, p InclusionProof, root Hash) error {
	path := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		path[i] = p.Hashes[i][:]
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, p.Size, leaf[:], path, root[:]); err != nil {
		return fmt.Errorf("%w: this host and incarnation are not number %d of the signed list of %d", ErrNotTarget, p.Index, p.Size)
	}
	return nil
}

// checkShape reports whether the proof can belong to that many leaves.
func (p RangeProof) checkShape(leaves int) error {
	switch {
	case p.Count == 0 || p.Count != uint64(leaves): //nolint:gosec // a length
		return fmt.Errorf("%w: it is for %d leaves, and %d are given", ErrProof, p.Count, leaves)
	case p.Size > MaxTargets:
		return fmt.Errorf("%w: it is for a list of %d, at most %d is allowed", ErrProof, p.Size, MaxTargets)
	case p.First >= p.Size || p.Count > p.Size-p.First:
		return fmt.Errorf("%w: a run of %d leaves from %d is not within a list of %d", ErrProof, p.Count, p.First, p.Size)
	}
	if left, right := p.neighbours(); len(p.Hashes) != left+right {
		return fmt.Errorf("%w: it has %d hashes, and needs %d", ErrProof, len(p.Hashes), left+right)
	}
	return nil
}

// neighbours counts the hashes that a run needs to its left and right: one on
// each height where its edge is not that of a parent.
func (p RangeProof) neighbours() (left, right int) {
	lo, end := p.First, p.First+p.Count
	for width := p.Size; width > 1; width = (width + 1) / 2 {
		if lo%2 == 1 {
			left++
		}
		if end%2 == 1 && end < width {
			right++
		}
		lo, end = lo/2, (end+1)/2
	}
	return left, right
}

// split gives the hashes to the left of the run, largest subtree first, and
// those to its right, smallest first. The shape has been checked.
func (p RangeProof) split() (left, right []Hash) {
	n, _ := p.neighbours()
	return p.Hashes[:n], p.Hashes[n:]
}
