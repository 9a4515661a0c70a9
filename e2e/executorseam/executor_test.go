// Package executorseam shows that the real executor, over its socket, is what
// the agent takes it for: it runs the conformance suite of the agent's seam.
package executorseam

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/tier/agent/executortest"
)

func TestTheRealExecutorIsAnExecutor(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"executor", "endprocess"} {
		build := exec.Command("go", "build", "-o", filepath.Join(bin, "ccs-"+name), "./cmd/"+name)
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", name, err, out)
		}
	}
	run := t.TempDir()
	var n atomic.Int64
	executortest.Run(t, func(t *testing.T) agent.Executor {
		t.Helper()
		return launch(t, bin, filepath.Join(run, fmt.Sprintf("%d.sock", n.Add(1))))
	})
}

// launch starts an executor with a new state directory and waits until it
// answers.
func launch(t *testing.T, bin, socket string) agent.Executor {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "executor.yaml")
	text := fmt.Sprintf("socket: %s\nstate_dir: %s\nendprocess: %s\nmetrics_listen: \"\"\n", socket, filepath.Join(dir, "state"), filepath.Join(bin, "ccs-endprocess"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(filepath.Join(bin, "ccs-executor"), "--config", config)
	var logs bytes.Buffer
	process.Stderr = &logs
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(os.Interrupt)
		_ = process.Wait()
		if t.Failed() {
			t.Logf("the executor's log:\n%s", logs.String())
		}
	})
	executor, err := agent.OpenSocket(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = executor.Close() })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		if _, err = executor.Info(t.Context(), time.Time{}); err == nil {
			return executor
		}
		if time.Now().After(deadline) {
			t.Fatalf("the executor does not answer: %v", err)
		}
	}
}
