package capsule_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// leaves are the hashes of n targets.
func leaves(n int) []capsule.Hash {
	out := make([]capsule.Hash, n)
	for i := range out {
		out[i] = capsule.LeafHash(fleet.HostID(fmt.Sprintf("h%05d.bj01", i)), fleet.Incarnation{1, byte(i >> 8), byte(i)})
	}
	return out
}

// The oracle: RFC 6962 section 2.1 as it is written, one recursion for each.

func dumbRoot(d []capsule.Hash) capsule.Hash {
	switch len(d) {
	case 0:
		return capsule.Hash(rfc6962.DefaultHasher.EmptyRoot())
	case 1:
		return d[0]
	}
	k := largestPower(len(d))
	left, right := dumbRoot(d[:k]), dumbRoot(d[k:])
	return capsule.Hash(rfc6962.DefaultHasher.HashChildren(left[:], right[:]))
}

func dumbInclusion(d []capsule.Hash, i int) []capsule.Hash {
	if len(d) == 1 {
		return nil
	}
	if k := largestPower(len(d)); i < k {
		return append(dumbInclusion(d[:k], i), dumbRoot(d[k:]))
	} else {
		return append(dumbInclusion(d[k:], i-k), dumbRoot(d[:k]))
	}
}

func dumbRange(d []capsule.Hash, first, end int) []capsule.Hash {
	switch {
	case end <= 0 || first >= len(d):
		return []capsule.Hash{dumbRoot(d)}
	case first <= 0 && end >= len(d):
		return nil
	}
	k := largestPower(len(d))
	return append(dumbRange(d[:k], first, end), dumbRange(d[k:], first-k, end-k)...)
}

// largestPower is the largest power of two smaller than n.
func largestPower(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func TestALeafIsTheHashOfHostAndIncarnation(t *testing.T) {
	for _, host := range []string{"h", "h1.bj01", string(make([]byte, 128)), string(make([]byte, 5000))} {
		in := fleet.Incarnation{1, 2, 3}
		data := binary.BigEndian.AppendUint16(nil, uint16(len(host)))
		data = append(append(data, host...), in[:]...)
		if got := capsule.LeafHash(fleet.HostID(host), in); got != capsule.Hash(rfc6962.DefaultHasher.HashLeaf(data)) {
			t.Errorf("a host id of %d bytes: %x", len(host), got)
		}
	}
}

func TestAnEmptyListHasTheRootOfRFC6962(t *testing.T) {
	if capsule.Root(nil) != dumbRoot(nil) {
		t.Errorf("%x", capsule.Root(nil))
	}
}

func TestEveryRangeOfEverySmallTreeProvesEveryHost(t *testing.T) {
	all := leaves(40)
	for size := 1; size <= len(all); size++ {
		d := all[:size]
		tree := checkTree(t, d)
		for first := range size {
			for count := 1; count <= size-first; count++ {
				checkRange(t, d, tree, first, count)
			}
		}
	}
}

func TestRangesOfLargeTreesProveTheirHosts(t *testing.T) {
	all := leaves(3000)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, len(all)).Draw(t, "size")
		first := rapid.IntRange(0, size-1).Draw(t, "first")
		count := rapid.IntRange(1, size-first).Draw(t, "count")
		checkRange(t, all[:size], checkTree(t, all[:size]), first, count)
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkTree(t fataler, d []capsule.Hash) *capsule.RangeTree {
	t.Helper()
	before := slices.Clone(d)
	tree, err := capsule.NewTree(d)
	if err != nil {
		t.Fatalf("%d leaves: %v", len(d), err)
	}
	if want := dumbRoot(d); capsule.Root(d) != want || tree.Root() != want {
		t.Fatalf("%d leaves: roots %x and %x, want %x", len(d), capsule.Root(d), tree.Root(), want)
	}
	if !slices.Equal(before, d) {
		t.Fatalf("%d leaves: they were changed", len(d))
	}
	return tree
}

// checkRange compares a range proof and all that is derived from it with the oracle.
func checkRange(t fataler, d []capsule.Hash, tree *capsule.RangeTree, first, count int) {
	t.Helper()
	p, err := tree.Range(uint64(first), uint64(count))
	if err != nil || p.First != uint64(first) || p.Count != uint64(count) || p.Size != uint64(len(d)) {
		t.Fatalf("%d+%d of %d: %+v %v", first, count, len(d), p, err)
	}
	if !slices.Equal(p.Hashes, dumbRange(d, first, first+count)) {
		t.Fatalf("%d+%d of %d: another proof than the oracle's", first, count, len(d))
	}
	run := d[first : first+count]
	if err := capsule.VerifyRange(run, p, tree.Root()); err != nil {
		t.Fatalf("%d+%d of %d: %v", first, count, len(d), err)
	}
	part, err := capsule.NewRangeTree(run, p)
	if err != nil {
		t.Fatalf("%d+%d of %d: %v", first, count, len(d), err)
	}
	step := 1
	if count > 40 {
		step = count / 8
	}
	for i := first; i < first+count; i += step {
		in, err := part.Inclusion(uint64(i))
		if err != nil || !slices.Equal(in.Hashes, dumbInclusion(d, i)) {
			t.Fatalf("%d+%d of %d: inclusion of %d is not the oracle's: %v", first, count, len(d), i, err)
		}
		if err := capsule.VerifyInclusion(d[i], in, tree.Root()); err != nil {
			t.Fatalf("%d+%d of %d: inclusion of %d: %v", first, count, len(d), i, err)
		}
	}
	half, err := part.Range(uint64(first+count/2), uint64(count-count/2))
	if err != nil || !slices.Equal(half.Hashes, dumbRange(d, first+count/2, first+count)) {
		t.Fatalf("%d+%d of %d: a range of the range is not the oracle's: %v", first, count, len(d), err)
	}
}

func TestARangeOfOtherHostsIsRefused(t *testing.T) {
	d := leaves(23)
	root := capsule.Root(d)
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, 22).Draw(t, "first")
		count := rapid.IntRange(1, 23-first).Draw(t, "count")
		p, err := capsule.MakeRangeProof(d, uint64(first), uint64(count))
		if err != nil {
			t.Fatal(err)
		}
		run := slices.Clone(d[first : first+count])
		run[rapid.IntRange(0, count-1).Draw(t, "swapped")] = capsule.Hash{1}
		if err := capsule.VerifyRange(run, p, root); !errors.Is(err, capsule.ErrProof) {
			t.Fatalf("another host was let in: %v", err)
		}
		run = slices.Clone(d[first : first+count])
		if len(p.Hashes) > 0 {
			p.Hashes[rapid.IntRange(0, len(p.Hashes)-1).Draw(t, "changed")][0] ^= 1
			if err := capsule.VerifyRange(run, p, root); !errors.Is(err, capsule.ErrProof) {
				t.Fatalf("a changed proof was let in: %v", err)
			}
		}
	})
}

func TestAnyChangeOfTheNumbersOfARangeProofIsRefused(t *testing.T) {
	d := leaves(20)
	root := capsule.Root(d)
	for first := range 20 {
		p, err := capsule.MakeRangeProof(d, uint64(first), uint64(20-first))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []capsule.RangeProof{
			{First: p.First + 1, Count: p.Count, Size: p.Size, Hashes: p.Hashes},
			{First: p.First, Count: p.Count - 1, Size: p.Size, Hashes: p.Hashes},
			{First: p.First, Count: p.Count, Size: p.Size - 1, Hashes: p.Hashes},
			{First: p.First, Count: p.Count, Size: p.Size, Hashes: append(slices.Clone(p.Hashes), root)},
			{First: ^uint64(0), Count: p.Count, Size: p.Size, Hashes: p.Hashes},
			{First: p.First, Count: p.Count, Size: ^uint64(0), Hashes: p.Hashes},
			{First: p.First, Count: p.Count},
			{},
		} {
			if err := capsule.VerifyRange(d[first:], q, root); !errors.Is(err, capsule.ErrProof) {
				t.Errorf("%+v was let in: %v", q, err)
			}
		}
	}
}

func TestATreeProvesNothingThatItDoesNotKnow(t *testing.T) {
	d := leaves(10)
	p, err := capsule.MakeRangeProof(d, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := capsule.NewRangeTree(d[3:7], p)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 2, 7, 10, ^uint64(0)} {
		if _, err := tree.Inclusion(i); !errors.Is(err, capsule.ErrProof) {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
	for _, r := range [][2]uint64{{2, 1}, {3, 5}, {7, 1}, {4, 0}, {4, ^uint64(0)}, {^uint64(0), 2}} {
		if _, err := tree.Range(r[0], r[1]); !errors.Is(err, capsule.ErrProof) {
			t.Errorf("run %v: %v", r, err)
		}
	}
	if _, err := capsule.NewTree(nil); !errors.Is(err, capsule.ErrProof) {
		t.Errorf("no leaves: %v", err)
	}
	if _, err := capsule.MakeRangeProof(nil, 0, 0); !errors.Is(err, capsule.ErrProof) {
		t.Errorf("no leaves: %v", err)
	}
}

func BenchmarkRootOf500000(b *testing.B) {
	all := leaves(500_000)
	for b.Loop() {
		capsule.Root(all)
	}
}

func BenchmarkTreeOf500000(b *testing.B) {
	all := leaves(500_000)
	for b.Loop() {
		if _, err := capsule.NewTree(all); err != nil {
			b.Fatal(err)
		}
	}
}

// The work of an aggregator for a room: verify the range, prove every host.
func BenchmarkRangeTreeOf10000(b *testing.B) {
	all := leaves(50_000)
	run := all[12_345:22_345]
	p, err := capsule.MakeRangeProof(all, 12_345, 10_000)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tree, err := capsule.NewRangeTree(run, p)
		if err != nil {
			b.Fatal(err)
		}
		for i := range uint64(10_000) {
			if _, err := tree.Inclusion(12_345 + i); err != nil {
				b.Fatal(err)
			}
		}
	}
}
