package summary

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// key names a result: state, reason, exit status, signal and outputs. Which
// attempt it was makes no difference, nor in which order the outputs stand.
type key [16]byte

func keyOf(r task.Report, d job.Detail) key {
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint16(b, uint16(r.State))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Exit.Reason))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Exit.Code))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Exit.Signal))
	for _, stream := range []job.Stream{job.Stdout, job.Stderr} {
		for _, ref := range d.Outputs {
			if ref.Stream == stream {
				b = append(b, byte(stream))
				b = append(b, ref.Digest[:]...)
				b = binary.BigEndian.AppendUint64(b, ref.Size)
				b = binary.BigEndian.AppendUint64(b, ref.Cut)
				b = binary.BigEndian.AppendUint64(b, ref.Tail)
			}
		}
	}
	sum := sha256.Sum256(b)
	return key(sum[:])
}

// groups counts equal results. In the worst case, where no two are equal, it
// keeps some 100 bytes a target.
type groups struct {
	at   map[key]uint32 // in list
	list []group
	next []uint32 // the ordinal that follows an ordinal in its group
}

type group struct {
	key                key
	first, last, count uint32
}

func newGroups(targets int) groups {
	return groups{at: map[key]uint32{}, next: make([]uint32, targets)}
}

func (g *groups) add(ordinal uint32, k key) {
	i, known := g.at[k]
	if !known {
		g.at[k] = uint32(len(g.list)) // at most job.MaxTargets
		g.list = append(g.list, group{k, ordinal, ordinal, 1})
		return
	}
	of := &g.list[i]
	if of.count < MostHosts {
		g.next[of.last] = ordinal
		of.last = ordinal
	}
	of.count++
}

// Group is tasks with equal results.
type Group struct {
	Ordinals []uint32 // some of them, as they were told; at most MostHosts
	Count    int
	key      key
}

// Has reports whether a result is that of the group.
func (g Group) Has(r task.Report, d job.Detail) bool { return g.key == keyOf(r, d) }

// Groups are the largest groups, at most MostGroups, the largest first; of equal
// ones, which came first. All is how many groups there are.
func (s *Summary) Groups() (largest []Group, all int) {
	list := slices.Clone(s.groups.list)
	slices.SortStableFunc(list, func(a, b group) int { return cmp.Compare(b.count, a.count) })
	for _, g := range list[:min(len(list), MostGroups)] {
		of := Group{Count: int(g.count), key: g.key}
		for o := g.first; ; o = s.groups.next[o] {
			of.Ordinals = append(of.Ordinals, o)
			if o == g.last {
				break
			}
		}
		largest = append(largest, of)
	}
	return largest, len(list)
}
