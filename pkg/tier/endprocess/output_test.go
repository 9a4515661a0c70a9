package endprocess

import (
	"bytes"
	"crypto/sha256"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestFiveMegabytesAreCutAtTheLimitAndTheRestIsCounted(t *testing.T) {
	d := newDisk(t)
	const size, limit = 5_000_000, 1 << 20
	o := d.run(spool.Run{Argv: []string{"sh", "-c", "head -c " + strconv.Itoa(size) + " /dev/zero; echo end >&2"}, Keep: limit}, nil, nil)
	d.want(o, task.Succeeded, task.NoReason)
	if o.Kept != [2]uint64{limit, 4} || o.Cut != [2]uint64{size - limit, 0} {
		t.Errorf("kept %v, cut %v", o.Kept, o.Cut)
	}
	if o.Tail != [2]uint64{limit / 2, 0} || len(d.kept(0)) != limit {
		t.Errorf("%v bytes of the end, %d bytes in all", o.Tail, len(d.kept(0)))
	}
}

func TestOutputExactlyAtTheLimitIsNotCut(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{Argv: []string{"head", "-c", "4096", "/dev/zero"}, Keep: 4096}, nil, nil)
	if o.Kept[0] != 4096 || o.Cut[0] != 0 {
		t.Errorf("kept %v, cut %v", o.Kept, o.Cut)
	}
}

func TestBinaryOutputIsByteExact(t *testing.T) {
	d := newDisk(t)
	data := make([]byte, 700_001)
	state := sha256.Sum256([]byte("seed"))
	for i := range data {
		if i%len(state) == 0 {
			state = sha256.Sum256(state[:])
		}
		data[i] = state[i%len(state)]
	}
	o := d.run(spool.Run{Argv: []string{"cat"}}, nil, data)
	d.want(o, task.Succeeded, task.NoReason)
	if got := d.kept(0); !bytes.Equal([]byte(got), data) {
		t.Errorf("%d bytes came out of %d, or others", len(got), len(data))
	}
}

func TestOneVeryLongLineIsOutputLikeAnyOther(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{Argv: []string{"sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x"}, Keep: 16 << 20}, nil, nil)
	if o.Kept[0] != 10_000_000 || o.Cut[0] != 0 {
		t.Errorf("kept %v, cut %v", o.Kept, o.Cut)
	}
}

func TestACommandThatClosesItsOutputIsWatchedToItsEnd(t *testing.T) {
	d := newDisk(t)
	o := d.sh("echo before; exec >&- 2>&-; /bin/sleep 0.2; exit 5")
	d.want(o, task.Failed, task.NoReason)
	if o.Exit.Code != 5 || d.kept(0) != "before\n" {
		t.Errorf("exit %d, stdout %q", o.Exit.Code, d.kept(0))
	}
}

func TestAGrandchildThatHoldsTheOutputDoesNotHoldUpTheOutcome(t *testing.T) {
	d := newDisk(t)
	began := time.Now()
	o := d.sh("setsid sleep 300 & echo done")
	d.want(o, task.Succeeded, task.NoReason)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if o.Leftovers != 1 || d.kept(0) != "done\n" {
		t.Errorf("leftovers %d, stdout %q", o.Leftovers, d.kept(0))
	}
}

func TestWhatAGrandchildWritesSoonAfterTheLeaderIsKept(t *testing.T) {
	d := newDisk(t)
	o := d.sh("(/bin/sleep 0.1; echo late) & echo done")
	if o.Leftovers != 0 || d.kept(0) != "done\nlate\n" {
		t.Errorf("leftovers %d, stdout %q", o.Leftovers, d.kept(0))
	}
}

func TestASuccessorGoesOnWhereTheDrainStopped(t *testing.T) {
	d := newDisk(t)
	c := d.accept(spool.Run{Argv: []string{"true"}}, nil, nil)
	end, err := c.FIFO(1, 0, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	writer := os.NewFile(uintptr(end), "fifo")
	first, err := c.OpenSink(1, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		write string
		want  spool.Drained
	}{
		{"12345", spool.Drained{Kept: 5}},
		{"67890", spool.Drained{Kept: 10}},
		{"abc", spool.Drained{Kept: 10, Tail: 5, Cut: 3}},
		{"def", spool.Drained{Kept: 10, Tail: 5, Cut: 6}},
	} {
		if _, err := writer.WriteString(step.write); err != nil {
			t.Fatal(err)
		}
		for first.Pull() {
		}
		if got := first.Drained(); got != step.want || c.Drained(1, 0, 10) != step.want {
			t.Errorf("after %q: %+v, and on the disk %+v, want %+v", step.write, got, c.Drained(1, 0, 10), step.want)
		}
		first.Close() // as if it died
		if first, err = c.OpenSink(1, 0, 10); err != nil {
			t.Fatal(err)
		}
	}
	_ = writer.Close()
	for first.Pull() {
	}
	if got := d.keptOf(c, 0, first.Drained()); first.FD() >= 0 || got != "12345bcdef" {
		t.Errorf("at the end: fd %d, %q", first.FD(), got)
	}
	first.Close()
}
