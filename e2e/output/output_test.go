// Package output proves that outputs come back byte for byte, however large and
// whatever is in them, and that they can be followed while they are written:
// across the death of any process in between, and without slowing the command or
// standing in the way of others.
package output

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const pool = "standard"

// cluster is what the parts of a test share.
type cluster struct{ *rig.Cluster }

func TestOutputsOfAllKindsComeBackByteForByte(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: 1})}
	t.Run("one line of ten megabytes", c.oneLongLine)
	t.Run("every byte there is, and no UTF-8", c.everyByte)
	t.Run("of a command that closes its output", c.closedOutput)
	t.Run("of two streams side by side", c.bothStreams)
	t.Run("a gigabyte, in bounded memory", c.aGigabyte)
}

// runs runs a command on the one host and returns its task.
func (c cluster) runs(t *testing.T, command client.Command) (string, client.Task) {
	t.Helper()
	j := c.Run(t, client.Request{Command: command})
	for _, task := range c.Settled(t, j.ID) {
		return j.ID, task
	}
	t.Fatal("the job has no task")
	return "", client.Task{}
}

func (c cluster) oneLongLine(t *testing.T) {
	const size = 10 << 20
	line := rig.Sh("head -c " + strconv.Itoa(size) + " /dev/zero | tr '\\0' x")
	line.OutputLimit = size
	id, task := c.runs(t, line)
	if got := c.Output(t, id, task.Stdout); !bytes.Equal(got, bytes.Repeat([]byte("x"), size)) || task.Stdout.Cut != 0 {
		t.Errorf("%d bytes came back of %d, %+v", len(got), size, task.Stdout)
	}
}

func (c cluster) everyByte(t *testing.T) {
	var all []byte
	for i := range 256 {
		all = append(all, byte(i), 0xff, byte(255-i)) // surrogates, overlong forms and lonely bytes among them
	}
	all = slices.Repeat(all, 1000)
	id, task := c.runs(t, client.Command{Argv: []string{"cat"}, Stdin: all})
	if got := c.Output(t, id, task.Stdout); !bytes.Equal(got, all) {
		t.Errorf("%d bytes came back of %d, or others", len(got), len(all))
	}
}

func (c cluster) closedOutput(t *testing.T) {
	id, task := c.runs(t, rig.Sh("echo before; exec >&-; echo lost 2>/dev/null; echo still >&2; exit 3"))
	if got := c.Output(t, id, task.Stdout); string(got) != "before\n" || task.State != "FAILED" || task.ExitCode != 3 {
		t.Errorf("%s %d, stdout is %q", task.State, task.ExitCode, got)
	}
	if got := c.Output(t, id, task.Stderr); string(got) != "still\n" {
		t.Errorf("stderr is %q", got)
	}
}

func (c cluster) bothStreams(t *testing.T) {
	id, task := c.runs(t, rig.Sh("i=0; while [ $i -lt 5000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"))
	var out, err bytes.Buffer
	for i := range 5000 {
		fmt.Fprintln(&out, "out", i)
		fmt.Fprintln(&err, "err", i)
	}
	if got := c.Output(t, id, task.Stdout); !bytes.Equal(got, out.Bytes()) {
		t.Errorf("stdout: %d bytes of %d, or others", len(got), out.Len())
	}
	if got := c.Output(t, id, task.Stderr); !bytes.Equal(got, err.Bytes()) {
		t.Errorf("stderr: %d bytes of %d, or others", len(got), err.Len())
	}
}

// mostMemory is what an end-process may have had in memory at most: it is 3 MB
// when it is idle, and output goes by without it.
const mostMemory = 16 << 20

func (c cluster) aGigabyte(t *testing.T) {
	const size = 1 << 30
	id, task := c.runs(t, rig.Sh("head -c "+strconv.Itoa(size-3)+" /dev/zero; echo ok; grep VmHWM /proc/$PPID/status >&2"))
	if ref := task.Stdout; ref.Size != 1<<20 || ref.Tail != 1<<19 || ref.Cut != size-1<<20 {
		t.Errorf("%+v of %d bytes", ref, size)
	}
	if got := c.Output(t, id, task.Stdout); len(got) != 1<<20 || !bytes.HasSuffix(got, []byte("\x00ok\n")) {
		t.Errorf("%d bytes are kept, and end with %q", len(got), got[max(0, len(got)-5):])
	}
	fields := strings.Fields(string(c.Output(t, id, task.Stderr)))
	if len(fields) != 3 {
		t.Fatalf("the memory of the end-process is not known: %q", fields)
	}
	kib, err := strconv.Atoi(fields[1])
	if err != nil || kib<<10 > mostMemory {
		t.Errorf("the end-process had %d KiB in memory at most, and may have %d (%v)", kib, mostMemory>>10, err)
	}
	t.Logf("1 GiB of output in %v, end-process at most %d KiB", task.EndedAt.Sub(task.StartedAt).Round(time.Millisecond), kib)
}

// followed is all that a viewer sees, and the end.
func (c cluster) followed(ctx context.Context, t *testing.T, id, host string, seen func(n int)) (all []byte, end client.OutputPiece) {
	t.Helper()
	for p, err := range c.SDK.Follow(ctx, id, host, client.FollowQuery{}) {
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(all), err)
		}
		if p.Gap > 0 {
			t.Errorf("%d bytes are missing at %d", p.Gap, p.Offset)
		}
		if all, end = append(all, p.Content...), p; seen != nil {
			seen(len(all))
		}
	}
	return all, end
}

func TestAnOutputIsFollowedAcrossTheDeathOfEveryProcess(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: 2})}
	const lines = 400
	job := c.Run(t, client.Request{Command: rig.Sh("i=0; while [ $i -lt " + strconv.Itoa(lines) + " ]; do echo line $i; i=$((i+1)); sleep 0.05; done")})
	var want bytes.Buffer
	for i := range lines {
		fmt.Fprintln(&want, "line", i)
	}
	var host string
	for host = range c.Tasks(t, job.ID) {
	}
	c.AwaitState(t, job.ID, host, "RUNNING")
	victims := [][]string{
		{c.OwnerOf(t, pool, job.ID)}, {"agent-" + host}, {"executor-" + host}, {c.aggregator(t, host)},
	}
	began := time.Now()
	all, end := c.followed(t.Context(), t, job.ID, host, func(n int) {
		if len(victims) > 0 && n > want.Len()/10*(6-len(victims)) {
			victim := victims[0]
			victims = victims[1:]
			t.Logf("after %d bytes, %v: kill -9 of %v", n, time.Since(began).Round(time.Millisecond), victim)
			c.Kill9(t, victim...)
			c.Restart(t, victim...)
		}
	})
	if !bytes.Equal(all, want.Bytes()) || !end.Ended || end.Total != uint64(want.Len()) || len(victims) > 0 {
		t.Errorf("%d bytes of %d were seen, or others; the end is %+v, %v still live", len(all), want.Len(), end, victims)
	}
	task := c.Settled(t, job.ID)[host]
	if got := c.Output(t, job.ID, task.Stdout); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes of %d came back, or others: %s %s %s", len(got), want.Len(), task.State, task.Reason, task.Message)
	}
}

func (c cluster) aggregator(t *testing.T, host string) string {
	t.Helper()
	h, err := c.SDK.Host(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return h.Aggregator
}
