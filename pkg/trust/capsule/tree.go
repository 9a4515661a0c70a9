package capsule

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// LeafHash is the RFC 6962 hash of a target: the length of the host id in two
// bytes, the host id, the incarnation.
func LeafHash(host fleet.HostID, incarnation fleet.Incarnation) Hash {
	b := make([]byte, 0, 192)                                                         // stays on the stack for every valid host id
	b = append(b, rfc6962.RFC6962LeafHashPrefix, byte(len(host)>>8), byte(len(host))) //nolint:gosec // two bytes, as RFC 8446 section 3.4 writes a length below 2^16
	b = append(b, host...)
	b = append(b, incarnation[:]...)
	return sha256.Sum256(b)
}

// nodeHash is rfc6962's HashChildren without its allocations: a root over
// 500,000 targets takes as many of them.
func nodeHash(left, right *Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = rfc6962.RFC6962NodeHashPrefix
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Root is the RFC 6962 tree hash of the leaves, in order. It allocates one copy
// of half the leaves.
func Root(leaves []Hash) Hash {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	level := leaves
	next := make([]Hash, (len(leaves)+1)/2)
	for len(level) > 1 {
		n := 0
		for ; 2*n+1 < len(level); n++ {
			next[n] = nodeHash(&level[2*n], &level[2*n+1]) // n < 2n: in place from the second level on
		}
		if len(level)%2 == 1 { // a node without a sibling is its own parent
			next[n] = level[len(level)-1]
			n++
		}
		level = next[:n]
	}
	return level[0]
}

// RangeTree is what is known of a target tree by who holds a run of its leaves
// and the range proof of that run: the aggregator for its room, or the
// scheduler for all of them. It is immutable and safe for concurrent use.
type RangeTree struct {
	first, count, size uint64
	levels             []treeLevel // leaves first
}

// treeLevel is a run of nodes of one height. Beside the nodes over the known
// leaves it has the neighbours that complete their parents. A node without a
// right sibling, at the ragged edge, is its own parent.
type treeLevel struct {
	offset uint64 // index of nodes[0] in the whole tree
	nodes  []Hash
}

// NewTree is the tree over all leaves, in O(n).
func NewTree(leaves []Hash) (*RangeTree, error) {
	n := uint64(len(leaves))
	return NewRangeTree(leaves, RangeProof{Count: n, Size: n})
}

// NewRangeTree is the tree that a run of leaves and its proof make, in O(n). It
// shares no memory with either. It accepts any proof of the right shape: who
// does not trust it compares Root. The error wraps ErrProof.
func NewRangeTree(leaves []Hash, p RangeProof) (*RangeTree, error) {
	if err := p.checkShape(len(leaves)); err != nil {
		return nil, err
	}
	t := &RangeTree{first: p.First, count: p.Count, size: p.Size}
	left, right := p.split()
	known, lo := leaves, p.First // the nodes over known leaves begin at index lo of their level
	for width := p.Size; ; width = (width + 1) / 2 {
		level := treeLevel{offset: lo, nodes: make([]Hash, 0, len(known)+2)}
		if width > 1 && lo%2 == 1 {
			level.offset = lo - 1
			level.nodes = append(level.nodes, left[len(left)-1])
			left = left[:len(left)-1]
		}
		level.nodes = append(level.nodes, known...)
		if end := lo + uint64(len(known)); end%2 == 1 && end < width {
			level.nodes = append(level.nodes, right[0])
			right = right[1:]
		}
		t.levels = append(t.levels, level)
		if width == 1 {
			return t, nil
		}
		known, lo = level.parents(), level.offset/2
	}
}

// parents hashes pairs; the last node has no sibling only at the ragged edge.
func (l treeLevel) parents() []Hash {
	out := make([]Hash, 0, (len(l.nodes)+1)/2)
	for i := 0; i < len(l.nodes); i += 2 {
		if i+1 == len(l.nodes) {
			out = append(out, l.nodes[i])
			break
		}
		out = append(out, nodeHash(&l.nodes[i], &l.nodes[i+1]))
	}
	return out
}

// Root is the hash of the whole tree.
func (t *RangeTree) Root() Hash { return t.levels[len(t.levels)-1].nodes[0] }

// Inclusion is the proof of one of the known leaves, in O(log n); index counts
// from the start of the whole tree. The error wraps ErrProof.
func (t *RangeTree) Inclusion(index uint64) (InclusionProof, error) {
	if index < t.first || index-t.first >= t.count {
		return InclusionProof{}, fmt.Errorf("%w: leaf %d is not among the known %d..%d", ErrProof, index, t.first, t.first+t.count-1)
	}
	p := InclusionProof{Index: index, Size: t.size, Hashes: make([]Hash, 0, len(t.levels)-1)}
	for _, l := range t.levels[:len(t.levels)-1] {
		if sibling := index ^ 1; sibling-l.offset < uint64(len(l.nodes)) {
			p.Hashes = append(p.Hashes, l.nodes[sibling-l.offset])
		}
		index /= 2
	}
	return p, nil
}

// Range is the proof of a run of the known leaves, in O(log n); first counts
// from the start of the whole tree. The error wraps ErrProof.
func (t *RangeTree) Range(first, count uint64) (RangeProof, error) {
	if count == 0 || first < t.first || first-t.first >= t.count || count > t.count-(first-t.first) {
		return RangeProof{}, fmt.Errorf("%w: a run of %d leaves from %d is not within the known %d..%d", ErrProof, count, first, t.first, t.first+t.count-1)
	}
	p := RangeProof{First: first, Count: count, Size: t.size}
	var left, right []Hash // from the leaves upwards
	lo, end := first, first+count
	for _, l := range t.levels[:len(t.levels)-1] {
		if lo%2 == 1 {
			left = append(left, l.nodes[lo-1-l.offset])
		}
		if i := end - l.offset; end%2 == 1 && i < uint64(len(l.nodes)) {
			right = append(right, l.nodes[i])
		}
		lo, end = lo/2, (end+1)/2
	}
	for _, h := range slices.Backward(left) {
		p.Hashes = append(p.Hashes, h)
	}
	p.Hashes = append(p.Hashes, right...)
	return p, nil
}
