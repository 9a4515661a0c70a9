package job

import (
	"iter"
	"math/bits"
)

// ordinals is a set of ordinals that is walked in ascending order, whatever the
// order in which they came: that is what makes a Machine deterministic. One bit
// a target, and one bit for 64 of those to find the next quickly. The zero
// value is empty and takes no memory; size is set before the first add.
type ordinals struct {
	size    int // ordinals are below it
	n       int
	bits    []uint64
	summary []uint64 // which words of bits are not zero
}

func (s *ordinals) empty() bool { return s.n == 0 }

func (s *ordinals) has(o uint32) bool {
	return s.bits != nil && s.bits[o/64]&(1<<(o%64)) != 0
}

func (s *ordinals) add(o uint32) {
	if s.bits == nil {
		words := (s.size + 63) / 64
		s.bits, s.summary = make([]uint64, words), make([]uint64, (words+63)/64)
	}
	if s.has(o) {
		return
	}
	s.n++
	s.bits[o/64] |= 1 << (o % 64)
	s.summary[o/64/64] |= 1 << (o / 64 % 64)
}

func (s *ordinals) remove(o uint32) {
	if !s.has(o) {
		return
	}
	s.n--
	if s.bits[o/64] &^= 1 << (o % 64); s.bits[o/64] == 0 {
		s.summary[o/64/64] &^= 1 << (o / 64 % 64)
	}
}

// next is the first ordinal of the set from o on.
func (s *ordinals) next(o uint32) (uint32, bool) {
	if s.n == 0 || int(o) >= s.size {
		return 0, false
	}
	word := o / 64
	if rest := s.bits[word] >> (o % 64); rest != 0 {
		return o + uint32(bits.TrailingZeros64(rest)), true
	}
	word++
	for at := word / 64; int(at) < len(s.summary); at++ {
		rest := s.summary[at]
		if at == word/64 {
			rest &= ^uint64(0) << (word % 64)
		}
		if rest != 0 {
			word = at*64 + uint32(bits.TrailingZeros64(rest))
			return word*64 + uint32(bits.TrailingZeros64(s.bits[word])), true
		}
	}
	return 0, false
}

// below is how many of the set come before o.
func (s *ordinals) below(o uint32) int {
	if s.n == 0 {
		return 0
	}
	sum := bits.OnesCount64(s.bits[o/64] & (1<<(o%64) - 1))
	for _, word := range s.bits[:o/64] {
		sum += bits.OnesCount64(word)
	}
	return sum
}

// all walks the set; the loop may remove what it has been given.
func (s *ordinals) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for o, ok := s.next(0); ok && yield(o); {
			o, ok = s.next(o + 1)
		}
	}
}

// drain empties the set and returns what was in it, ascending.
func (s *ordinals) drain() []uint32 {
	if s.n == 0 {
		return nil
	}
	list := make([]uint32, 0, s.n)
	for o := range s.all() {
		list = append(list, o)
		s.remove(o)
	}
	return list
}
