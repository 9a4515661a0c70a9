package executor

import (
	"crypto/sha256"
	"testing"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestACommandRunsAndItsExitStatusAndOutputArrive(t *testing.T) {
	h := boot(t)
	h.accept(shell("one", "echo out; echo err >&2; exit 3"))
	c := h.becomes("one", task.Failed, task.Exit{Code: 3})
	if string(c.Context) != "context of one" {
		t.Errorf("context %q came back", c.Context)
	}
	want := []job.OutputRef{
		{Stream: job.Stdout, Digest: sha256.Sum256([]byte("out\n")), Size: 4},
		{Stream: job.Stderr, Digest: sha256.Sum256([]byte("err\n")), Size: 4},
	}
	if len(c.Detail.Outputs) != 2 || c.Detail.Outputs[0] != want[0] || c.Detail.Outputs[1] != want[1] {
		t.Errorf("outputs are %+v, want %+v", c.Detail.Outputs, want)
	}
	if got := h.stdout("one"); got != "out\n" {
		t.Errorf("stdout is %q", got)
	}
	if got := string(h.output("one", 1, typesv1.Stream_STREAM_STDERR, 2)); got != "r\n" {
		t.Errorf("stderr from byte 2 is %q", got)
	}
}
