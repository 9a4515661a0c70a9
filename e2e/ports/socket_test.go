package ports

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/e2e/rig"
)

const (
	// stranger is an account that is neither root nor the tests' own.
	stranger = 65534
	// envSocket makes this binary one call of an executor.
	envSocket = "PORTS_TEST_SOCKET"
)

// socketTable dials the socket of an executor as other accounts do. Only root
// can be another; without it the rows say so.
func socketTable(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	path := c.Socket("h1")
	var b strings.Builder
	row := func(who, answer string) { fmt.Fprintf(&b, "%-60s  %s\n", who, answer) }
	row("the executor's socket (no TLS: the kernel says who calls)", "")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	row("permissions of the file", info.Mode().Perm().String())
	row("its own account", ask(t.Context(), path))
	if os.Geteuid() != 0 {
		t.Log("not run: the socket as another account: only root can be one; the committed rows are taken as they are")
		row("another account", no)
		row("another account, had the file let it through", no)
		return b.String()
	}
	row("another account", asAnother(t, path))
	// Open every door on the way, so that the executor itself has to decide.
	for dir := filepath.Dir(path); strings.Contains(dir, "ccs-"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	row("another account, had the file let it through", asAnother(t, path))
	return b.String()
}

// asAnother runs this binary as the stranger, who asks.
func asAnother(t *testing.T, socket string) string {
	t.Helper()
	dir := rig.Dir(t)
	self := filepath.Join(dir, "asker")
	raw, err := os.ReadFile("/proc/self/exe")
	if err := errors.Join(err, os.WriteFile(self, raw, 0o600), os.Chmod(self, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), envSocket+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// asStranger is the other side of asAnother.
func asStranger() bool {
	socket := os.Getenv(envSocket)
	if socket == "" {
		return false
	}
	_, _ = fmt.Fprintln(os.Stdout, ask(context.Background(), socket))
	return true
}

// ask calls an executor once.
func ask(ctx context.Context, socket string) string {
	ctx, cancel := context.WithTimeout(ctx, answerBudget)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if _, err := executorv1.NewExecutorServiceClient(conn).GetInfo(ctx, &executorv1.GetInfoRequest{}); err != nil {
		return no
	}
	return yes
}
