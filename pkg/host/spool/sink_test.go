package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// output is one output of a command, and who writes it.
type output struct {
	*testing.T
	c     *Command
	to    int // the writer's end
	sink  *Sink
	limit uint64
	wrote []byte
}

func newOutput(t *testing.T, dir string, limit uint64) *output {
	t.Helper()
	c := accept(t, open(t, dir), "a")
	var err error
	o := &output{T: t, c: c, limit: limit}
	if o.to, err = c.FIFO(1, 0, -1, -1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(o.to); o.sink.Close() })
	o.open()
	return o
}

func (o *output) open() {
	o.Helper()
	var err error
	if o.sink, err = o.c.OpenSink(1, 0, o.limit); err != nil {
		o.Fatal(err)
	}
}

// die lets a successor go on from what is on the disk.
func (o *output) die() {
	o.Helper()
	o.sink.Close()
	o.open()
}

// write writes n bytes of which no two kilobytes are equal, and drains them.
func (o *output) write(n int) {
	o.Helper()
	for n > 0 {
		some := make([]byte, min(n, 32<<10)) // less than a FIFO holds
		for i := range some {
			at := uint64(len(o.wrote) + i)
			some[i] = byte(at*0x9e3779b97f4a7c15>>56) ^ byte(at>>10)
		}
		if wrote, err := unix.Write(o.to, some); err != nil || wrote != len(some) {
			o.Fatal(wrote, err)
		}
		o.wrote = append(o.wrote, some...)
		n -= len(some)
		for o.sink.Pull() {
		}
	}
}

// check compares what is kept with what was written.
func (o *output) check(d Drained) {
	o.Helper()
	if d.Total() != uint64(len(o.wrote)) {
		o.Fatalf("%+v of %d bytes", d, len(o.wrote))
	}
	want := bytes.Join([][]byte{o.wrote[:d.Head()], o.wrote[d.Head()+d.Cut:]}, nil)
	out := o.c.OpenOutput(1, 0)
	defer out.Close()
	var got []byte
	err := out.Kept(d, 0, make([]byte, 5000), func(at uint64, content []byte) error {
		if !bytes.Equal(content, o.wrote[at:at+uint64(len(content))]) {
			o.Fatalf("other bytes at %d", at)
		}
		got = append(got, content...)
		return nil
	})
	if err != nil || !bytes.Equal(got, want) {
		o.Fatalf("%d bytes came out, %d are kept, or others: %v", len(got), len(want), err)
	}
}

// onDisk is how many bytes lie in the output's files.
func (o *output) onDisk() (bytes uint64, files int) {
	o.Helper()
	names, _ := filepath.Glob(o.c.Path("stdout.1*"))
	for _, name := range names {
		if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
			bytes, files = bytes+uint64(st.Size()), files+1
		}
	}
	return bytes, files
}

func TestTheHalvesOfTheLimitAreTheBeginningAndTheEnd(t *testing.T) {
	for _, limit := range []uint64{1, 2, 999, 64 << 10, 1 << 20} {
		o := newOutput(t, t.TempDir(), limit)
		o.write(3<<20 + 17)
		want := Drained{Kept: limit, Tail: limit / 2, Cut: 3<<20 + 17 - limit}
		if got := o.sink.Drained(); got != want || o.c.Drained(1, 0, limit) != want {
			t.Errorf("limit %d: %+v, on the disk %+v", limit, got, o.c.Drained(1, 0, limit))
		}
		o.check(want)
		if bytes, files := o.onDisk(); bytes > OnDisk(limit) || files > 5 {
			t.Errorf("limit %d: %d bytes in %d files, at most %d are meant", limit, bytes, files, OnDisk(limit))
		}
	}
}

// Whoever drains may be killed at any moment. What is on the disk then is what
// some sequence of pulls has left: a successor goes on from just that.
func TestASuccessorAtAnyMomentKeepsTheSame(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		limit := rapid.Uint64Range(1, 300_000).Draw(rt, "limit")
		o := newOutput(t, filepath.Join(dir, strconv.Itoa(n)), limit)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			o.write(rapid.IntRange(0, 100_000).Draw(rt, "write"))
			if rapid.Bool().Draw(rt, "die") {
				o.die()
			}
		}
		total := uint64(len(o.wrote))
		want := Drained{Kept: min(limit, total)}
		if total > limit {
			want.Tail, want.Cut = limit/2, total-limit
		}
		if got := o.sink.Drained(); got != want {
			rt.Fatalf("%+v, want %+v", got, want)
		}
		o.check(want)
	})
}

// A kill between the making of a segment and its first byte, or before the old
// ones are removed, leaves nothing to be set right.
func TestAKillBetweenTwoSegmentsCostsNothing(t *testing.T) {
	o := newOutput(t, t.TempDir(), 256<<10)
	o.write(int(headOf(o.limit)) + 3*64<<10) // the segments are full
	end := strconv.Itoa(len(o.wrote))
	if err := os.WriteFile(o.c.Path("stdout.1.at."+end), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.die()
	o.write(100_000)
	o.check(Drained{Kept: o.limit, Tail: o.limit / 2, Cut: uint64(len(o.wrote)) - o.limit})
	if got := o.sink.Drained(); got != o.c.Drained(1, 0, o.limit) || got.Cut != uint64(len(o.wrote))-o.limit {
		t.Errorf("%+v", got)
	}
}

// After a loss of power files may be shorter than they were, and some may be
// gone. What is said then is less, and true.
func TestWhatIsSaidAfterALossOfPowerIsTrue(t *testing.T) {
	for name, lose := range map[string]func(o *output, segments []string){
		"the head is short":              func(o *output, _ []string) { _ = os.Truncate(o.c.Path("stdout.1"), 100_000) },
		"the head is empty":              func(o *output, _ []string) { _ = os.Truncate(o.c.Path("stdout.1"), 0) },
		"the head is gone":               func(o *output, _ []string) { _ = os.Remove(o.c.Path("stdout.1")) },
		"the last segment is short":      func(_ *output, s []string) { _ = os.Truncate(s[len(s)-1], 7) },
		"the last segment is gone":       func(_ *output, s []string) { _ = os.Remove(s[len(s)-1]) },
		"the one before it is short":     func(_ *output, s []string) { _ = os.Truncate(s[len(s)-2], 7) },
		"the one before it is gone":      func(_ *output, s []string) { _ = os.Remove(s[len(s)-2]) },
		"there are none":                 func(_ *output, s []string) { removeAll(s) },
		"all but the first segment gone": func(_ *output, s []string) { removeAll(s[1:]) },
	} {
		o := newOutput(t, t.TempDir(), 256<<10)
		o.write(1_000_000)
		segments, _ := filepath.Glob(o.c.Path("stdout.1.at.*"))
		lose(o, segments)
		d := o.c.Drained(1, 0, o.limit)
		if d.Total() > uint64(len(o.wrote)) || d.Tail > d.Kept {
			t.Fatalf("%s: %+v", name, d)
		}
		o.wrote = o.wrote[:d.Total()]
		o.check(d)
		o.die() // and who drains on does it from there
		o.write(300_000)
		o.check(o.sink.Drained())
	}
}

func removeAll(paths []string) {
	for _, p := range paths {
		_ = os.Remove(p)
	}
}

// An end-process of the version before lets the head have all of the limit, and
// counts the rest in a file.
func TestWhatAnEarlierVersionHasDrainedIsGoneOnWith(t *testing.T) {
	o := newOutput(t, t.TempDir(), 10_000)
	o.limit = 20_000 - 2 // its head may have 9,999: it has 10,000 already
	o.die()
	o.write(9_999)
	if err := os.WriteFile(o.c.Path("stdout.1"), append(o.wrote, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	o.wrote = append(o.wrote, 'x')
	o.die()
	o.write(50_000)
	d := o.sink.Drained()
	if d.Kept != o.limit || d.Head() != 10_000 {
		t.Errorf("%+v", d)
	}
	o.check(d)

	o = newOutput(t, t.TempDir(), 8)
	_ = os.WriteFile(o.c.Path("stdout.1"), []byte("12345678"), 0o600)
	_ = os.WriteFile(o.c.Path("stdout.1.cut"), []byte("42"), 0o600)
	o.die()
	o.write(5)
	if got, want := o.sink.Drained(), (Drained{Kept: 8, Cut: 47}); got != want || o.c.Drained(1, 0, 8) != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A full disk is played by a file that has no room: /dev/full takes nothing.
func TestAFullDiskLeavesATrueBeginningAndCountsTheRest(t *testing.T) {
	for _, before := range []int{0, 1000, 300_000} {
		o := newOutput(t, t.TempDir(), 256<<10)
		o.write(before)
		full, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if before == 0 {
			o.sink.pieces = pieces{{name: o.sink.name}}
		}
		o.sink.closePiece()
		o.sink.to = full
		o.write(5000)
		head := min(uint64(before), headOf(o.limit))
		want := Drained{Kept: head, Cut: uint64(before) + 5000 - head}
		if got := o.sink.Drained(); got != want || o.c.Drained(1, 0, o.limit) != want {
			t.Errorf("after %d: %+v, on the disk %+v, want %+v", before, got, o.c.Drained(1, 0, o.limit), want)
		}
		if _, files := o.onDisk(); files > 2 {
			t.Errorf("after %d: the tail still has its room on the disk: %d files", before, files)
		}
		o.die()
		o.write(10)
		if want.Cut += 10; o.sink.Drained() != want {
			t.Errorf("the successor says %+v, want %+v", o.sink.Drained(), want)
		}
	}
}

// Whoever reads while it is written gets what was written, and where bytes have
// made way knows just which.
func TestWhoReadsALiveOutputGetsItExactlyAndSeesEveryGap(t *testing.T) {
	o := newOutput(t, t.TempDir(), 256<<10)
	out := o.c.OpenOutput(1, 0)
	defer out.Close()
	buf, next, gaps := make([]byte, 10_000), uint64(0), uint64(0)
	if at, n, err := out.Read(0, buf); at != 0 || n != 0 || err != nil {
		t.Errorf("of nothing: %d bytes at %d, %v", n, at, err)
	}
	for round := range 40 {
		o.write(50_000)
		for range round % 9 { // sometimes it is too slow
			at, n, err := out.Read(next, buf)
			if err != nil || at < next || !bytes.Equal(buf[:n], o.wrote[at:at+uint64(n)]) {
				t.Fatalf("%d bytes at %d from %d: %v", n, at, next, err)
			}
			gaps += at - next
			next = at + uint64(n)
		}
	}
	if gaps == 0 || next < 1_000_000 {
		t.Errorf("it came to %d over gaps of %d", next, gaps)
	}
	if at, n, err := out.Read(uint64(len(o.wrote)), buf); at != uint64(len(o.wrote)) || n != 0 || err != nil {
		t.Errorf("beyond the end: %d bytes at %d, %v", n, at, err)
	}
}
