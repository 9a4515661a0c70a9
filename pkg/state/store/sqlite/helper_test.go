package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ccs-project/ccs/internal/bugs"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// With these in its environment the test binary is another scheduler process:
// it commits to the file and says so, until it is killed.
const (
	helperFile  = "CCS_TEST_STORE_FILE"
	helperShard = "CCS_TEST_STORE_SHARD" // sweepShard: it sweeps instead
)

// sweepShard makes the helper a janitor.
const sweepShard = "sweep"

func TestMain(m *testing.M) {
	bugs.Plant()
	if path := os.Getenv(helperFile); path != "" {
		err := commitUntilKilled(context.Background(), path, os.Getenv(helperShard), os.Stdout) // the main of another process
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// helperTasks is the number of rows in each commit: enough for it to take a while.
const helperTasks = 200

// helperBatch is the same in the helper and in the test that looks for it.
func helperBatch(shard job.ShardID, epoch job.Epoch, number int) store.Batch {
	id := storetest.ID(int(shard.N)*10_000_000 + int(epoch.N)*100_000 + number)
	b := storetest.NewJob(id, shard.Pool, helperTasks)
	content := []byte("output of " + id.String())
	b.Outputs = []store.Output{{Digest: sha256.Sum256(content), Content: content}}
	for i := range uint32(helperTasks) {
		b.Persist.Tasks = append(b.Persist.Tasks, storetest.Outcome(i, task.Succeeded, 1))
		b.Persist.Released = append(b.Persist.Released, i)
	}
	return store.Batch{Shard: shard, Epoch: epoch, Number: uint64(number), Jobs: []store.JobBatch{b}}
}

// commitUntilKilled writes the number of its epoch, and then a line for every
// batch that was acknowledged.
func commitUntilKilled(ctx context.Context, path, shardText string, out io.Writer) error {
	if shardText == sweepShard {
		return sweepUntilKilled(ctx, path, out)
	}
	n, err := strconv.ParseUint(shardText, 10, 16)
	if err != nil {
		return err
	}
	shard := job.ShardID{Pool: "standard", N: uint16(n)}
	s, err := Open(ctx, at(path))
	if err != nil {
		return err
	}
	epoch, err := s.Claim(ctx, shard, "helper")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, epoch.N); err != nil {
		return err
	}
	for number := 1; ; number++ {
		results, err := s.Commit(ctx, []store.Batch{helperBatch(shard, epoch, number)})
		if err == nil {
			err = results[0].Err
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, number); err != nil {
			return err
		}
	}
}

// helper is another process that commits.
type helper struct {
	shard job.ShardID
	epoch job.Epoch
	cmd   *exec.Cmd
	lines *bufio.Scanner
	said  bytes.Buffer // on standard error
	acked int
}

func startHelper(t *testing.T, path string, shard uint16) *helper {
	t.Helper()
	return startHelperAs(t, path, shard, strconv.Itoa(int(shard)))
}

// startHelperAs starts one that commits to a shard, or sweeps.
func startHelperAs(t *testing.T, path string, shard uint16, as string) *helper {
	t.Helper()
	h := &helper{shard: job.ShardID{Pool: "standard", N: shard}}
	h.cmd = exec.CommandContext(t.Context(), os.Args[0])
	h.cmd.Env = append(os.Environ(), helperFile+"="+path, helperShard+"="+as)
	h.cmd.Stderr = &h.said
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.lines = bufio.NewScanner(out)
	h.epoch = job.Epoch{Generation: 1, N: uint64(h.line(t))}
	return h
}

func (h *helper) line(t *testing.T) int {
	t.Helper()
	if !h.lines.Scan() {
		_ = h.cmd.Wait() // so that all it said is there
		t.Fatalf("the helper of shard %v has ended: %s", h.shard, &h.said)
	}
	n, err := strconv.Atoi(h.lines.Text())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waitFor returns when the batch of this number was acknowledged.
func (h *helper) waitFor(t *testing.T, number int) {
	t.Helper()
	for h.acked < number {
		h.acked = h.line(t)
	}
}

// kill ends the process at once, and takes what it had still said.
func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for h.lines.Scan() {
		if n, err := strconv.Atoi(h.lines.Text()); err == nil {
			h.acked = n
		}
	}
	_ = h.cmd.Wait() // it was killed, and says so
}
