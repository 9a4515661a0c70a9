package spool

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Of a limit the first half is for the head, which is the beginning of the
// output, and the second for the tail, its end. The tail is kept in segments,
// each in a file that is named by the offset of its first byte in the output; so
// the name and the size of the last file say how much was written.
const leastSegment = 64 << 10

// headOf is what a limit leaves for the head.
func headOf(limit uint64) uint64 { return limit - limit/2 }

// tailOf is what a limit leaves for the tail.
func tailOf(limit uint64) uint64 { return limit / 2 }

func segmentOf(limit uint64) uint64 { return max(leastSegment, tailOf(limit)/2) }

// OnDisk is the greatest number of bytes that an output with this limit takes on
// the disk: somewhat more than the limit, since the tail goes in segments.
func OnDisk(limit uint64) uint64 { return limit + 2*segmentOf(limit) }

// Drained is what was kept and cut of an output: the first Kept−Tail bytes that
// were written, then Cut bytes that were not kept, then Tail bytes.
type Drained struct {
	Kept uint64 // bytes that are kept, before and after the cut
	Tail uint64 // of them, those after the cut; 0 if nothing was cut
	Cut  uint64 // bytes that are not kept
}

// Head is how many bytes are kept before the cut.
func (d Drained) Head() uint64 { return d.Kept - d.Tail }

// Total is how many bytes were written.
func (d Drained) Total() uint64 { return d.Kept + d.Cut }

// Next is the first byte at or after the offset that is kept; Total if none is.
func (d Drained) Next(offset uint64) uint64 {
	if offset >= d.Head() && offset < d.Head()+d.Cut {
		offset = d.Head() + d.Cut
	}
	return min(offset, d.Total())
}

// Drained returns what was kept and cut of an output so far, by whoever drained
// it with this limit.
func (c *Command) Drained(n uint32, stream int, limit uint64) Drained {
	found, lost, failed := c.dir.output(numbered(Streams[stream], n))
	if failed {
		return Drained{Kept: found.head(), Cut: lost}
	}
	return found.measure(limit)
}

// piece is a file of an output: its head, or a segment of its tail.
type piece struct {
	name     string
	at, size uint64 // offset of the first byte in the output; bytes
}

func (p piece) end() uint64 { return p.at + p.size }

// pieces are what is on the disk of an output, by offset; the head first.
type pieces []piece

func (p pieces) end() uint64 {
	if len(p) == 0 {
		return 0
	}
	return p[len(p)-1].end()
}

func (p pieces) head() uint64 {
	if len(p) == 0 || p[0].at > 0 {
		return 0
	}
	return p[0].size
}

// room is what the last piece may still take.
func (p pieces) room(limit uint64) uint64 {
	last, most := p[len(p)-1], segmentOf(limit)
	if last.at == 0 {
		most = headOf(limit)
	}
	return most - min(most, last.size)
}

// measure says what is kept. Only the run of pieces that reaches the end without
// a hole can be a tail: after a loss of power there may be holes.
func (p pieces) measure(limit uint64) Drained {
	head, end := p.head(), p.end()
	from := end
	for i := len(p) - 1; i >= 0 && p[i].end() == from; i-- {
		from = p[i].at
	}
	// An end-process of an earlier version has let the head have all the limit.
	tail := min(tailOf(limit), limit-min(limit, head))
	d := Drained{Kept: end}
	if from = max(from, end-min(end, tail)); from > head {
		d = Drained{Kept: head + end - from, Tail: end - from, Cut: from - head}
	}
	planted.Do("what is cut is not counted", func() { d.Cut = 0 })
	return d
}

func segmentName(name string, at uint64) string { return name + ".at." + strconv.FormatUint(at, 10) }

// output reads what is on the disk of an output. failed: the disk took no more
// after the head, and lost bytes were written beyond it.
func (f folder) output(name string) (found pieces, lost uint64, failed bool) {
	if data, err := f.read(name+".cut", 32); err == nil {
		if lost, err = strconv.ParseUint(string(data), 10, 64); err == nil {
			head, _ := f.size(name)
			return pieces{{name: name, size: head}}, lost, true
		}
	}
	return f.pieces(name), 0, false
}

// pieces lists the files of an output. It reads the names first and then the
// sizes: whatever comes before the last of them is complete by then.
func (f folder) pieces(name string) (found pieces) {
	if _, ok := f.size(name); !ok {
		return nil // a tail has a head
	}
	entries, _ := os.ReadDir(f.path)
	found = pieces{{name: name}}
	for _, e := range entries {
		offset, is := strings.CutPrefix(e.Name(), name+".at.")
		if at, err := strconv.ParseUint(offset, 10, 63); is && err == nil && at > 0 {
			found = append(found, piece{name: e.Name(), at: at})
		}
	}
	slices.SortFunc(found, func(a, b piece) int { return cmp.Compare(a.at, b.at) })
	there := found[:0]
	for _, p := range found {
		var ok bool
		if p.size, ok = f.size(p.name); ok {
			there = append(there, p)
		}
	}
	return there
}

func (f folder) size(name string) (uint64, bool) {
	var st unix.Stat_t
	if unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return 0, false
	}
	return uint64(max(0, st.Size)), true
}
