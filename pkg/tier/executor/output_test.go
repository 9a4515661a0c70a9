package executor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// viewer is somebody who follows the standard output of a command.
type viewer struct {
	*host
	stream grpc.ServerStreamingClient[executorv1.FetchOutputResponse]
	leave  context.CancelFunc
	got    []byte // with zeros where there are gaps
	gaps   uint64
	end    *typesv1.OutputEnd
	err    error
}

func (h *host) view(id string, offset uint64) *viewer {
	h.Helper()
	ctx, cancel := context.WithCancel(h.ctx())
	h.Cleanup(cancel)
	stream, err := h.api.FetchOutput(ctx, &executorv1.FetchOutputRequest{
		CommandId: id, Attempt: 1, Stream: typesv1.Stream_STREAM_STDOUT, Offset: offset, Follow: true,
	})
	if err != nil {
		h.Fatal(err)
	}
	return &viewer{host: h, stream: stream, leave: cancel}
}

// next takes a message; false: there is none any more.
func (v *viewer) next() bool {
	v.Helper()
	m, err := v.stream.Recv()
	if err != nil {
		v.err = err
		return false
	}
	if v.end = m.GetEnd(); v.end != nil {
		return true
	}
	gap := m.GetOffset() - uint64(len(v.got))
	v.gaps += gap
	v.got = append(append(v.got, make([]byte, gap)...), m.GetContent()...)
	return true
}

// sees reads until so much is there.
func (v *viewer) sees(want string) {
	v.Helper()
	for len(v.got) < len(want) && v.next() {
	}
	if string(v.got) != want {
		v.Fatalf("it sees %.60q, %v, and not %.60q", v.got, v.err, want)
	}
}

// toTheEnd reads to it.
func (v *viewer) toTheEnd() {
	v.Helper()
	for v.end == nil && v.next() {
	}
	if _, err := v.stream.Recv(); v.end == nil || !errors.Is(err, io.EOF) {
		v.Fatalf("the end is %v, %v, and after it came %v", v.end, v.err, err)
	}
}

// gate is a file that a command waits for.
func gate(t *testing.T) (wait string, open func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate")
	return "while [ ! -e " + path + " ]; do /bin/sleep 0.02; done; ", func() {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnOutputIsFollowedWhileItIsWritten(t *testing.T) {
	h := boot(t)
	wait, open := gate(t)
	h.accept(shell("a", "printf 'one\\0'; "+wait+"echo two"))
	v := h.view("a", 0)
	v.sees("one\x00") // the command waits for us
	late := h.view("a", 2)
	open()
	v.toTheEnd()
	if string(v.got) != "one\x00two\n" || v.end.GetTotal() != 8 || !v.end.GetEnded() {
		t.Errorf("it saw %q, to %v", v.got, v.end)
	}
	if late.toTheEnd(); string(late.got[2:]) != "e\x00two\n" {
		t.Errorf("from the middle it saw %q", late.got)
	}
}

func TestAFollowerWhoReadsNothingSlowsNoCommandAndMissesAKnownPart(t *testing.T) {
	h := boot(t)
	const size = 64 << 20
	wait, open := gate(t)
	h.accept(shell("a", "echo begin; "+wait+"head -c "+strconv.Itoa(size)+" /dev/zero; echo end"))
	v := h.view("a", 0)
	v.sees("begin\n")
	open()
	c := h.becomes("a", task.Succeeded, task.Exit{}) // though it reads nothing
	if out := c.Detail.Outputs[0]; out.Size+out.Cut != size+10 {
		t.Errorf("%+v", out)
	}
	v.toTheEnd()
	want := append(append([]byte("begin\n"), make([]byte, size)...), "end\n"...)
	if !bytes.Equal(v.got, want) || v.gaps == 0 || v.end.GetTotal() != uint64(len(want)) {
		t.Errorf("it saw %d bytes with gaps of %d, to %v", len(v.got), v.gaps, v.end)
	}
}

func TestAFollowerGoesOnWhenTheEndProcessDies(t *testing.T) {
	h := boot(t)
	wait, open := gate(t)
	h.accept(shell("a", "echo before; "+wait+"seq 100000"))
	v := h.view("a", 0)
	v.sees("before\n")
	h.killEndProcess("a")
	open()
	v.toTheEnd()
	var want strings.Builder
	want.WriteString("before\n")
	for i := range 100_000 {
		want.WriteString(strconv.Itoa(i+1) + "\n")
	}
	if string(v.got) != want.String() || v.gaps != 0 {
		t.Errorf("it saw %d bytes of %d with gaps of %d, or others", len(v.got), want.Len(), v.gaps)
	}
}

func TestOnlySoManyOutputsAreFollowedAtATime(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "echo here; exec /bin/sleep 300"))
	var viewers []*viewer
	for range maxViewers {
		v := h.view("a", 0)
		v.sees("here\n")
		viewers = append(viewers, v)
	}
	if more := h.view("a", 0); more.next() || status.Code(more.err) != codes.ResourceExhausted {
		t.Errorf("one too many got %q, %v", more.got, more.err)
	}
	if got := h.stdout("a"); got != "here\n" {
		t.Errorf("what is not followed is not bounded by it: %q", got)
	}
	viewers[0].leave()
	h.poll("room for another", func() bool {
		v := h.view("a", 0)
		return v.next() && string(v.got) == "here\n"
	})
	h.stop("a", 1)
	viewers[1].toTheEnd()
	if string(viewers[1].got) != "here\n" {
		t.Errorf("it saw %q", viewers[1].got)
	}
}

func TestAFollowerOfWhatIsReleasedIsTold(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "echo done"))
	h.becomes("a", task.Succeeded, task.Exit{})
	if _, err := h.api.Release(h.ctx(), &executorv1.ReleaseRequest{CommandId: "a"}); err != nil {
		t.Fatal(err)
	}
	if v := h.view("a", 0); v.next() || status.Code(v.err) != codes.NotFound {
		t.Errorf("it saw %q, %v", v.got, v.err)
	}
	if v := h.view("never", 0); v.next() || status.Code(v.err) != codes.NotFound {
		t.Errorf("of what never was: %q, %v", v.got, v.err)
	}
}

func TestAFollowerGoesOnAtTheNextExecutor(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "echo here; exec /bin/sleep 300"))
	v := h.view("a", 0)
	v.sees("here\n")
	h.kill()
	if v.next() {
		t.Errorf("it saw %q", v.got)
	}
	h.launch()
	again := h.view("a", uint64(len(v.got)))
	h.stop("a", 1)
	again.toTheEnd()
}
