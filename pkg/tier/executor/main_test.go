package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/internal/bugs"
)

// endProcess is the program that TestMain has built.
var endProcess string

// TestMain builds the real end-process once. Run with an environment variable
// it is an executor process, so that tests can kill one.
func TestMain(m *testing.M) {
	bugs.Plant()
	if dir := os.Getenv("TEST_EXECUTOR_STATE"); dir != "" {
		os.Exit(serveForTest(dir))
	}
	if socket := os.Getenv("TEST_STRANGER_SOCKET"); socket != "" {
		os.Exit(callForTest(socket))
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ccs-executor-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	endProcess = filepath.Join(dir, "ccs-endprocess")
	flags := append(bugs.BuildFlags(), "-o", endProcess, "github.com/ccs-project/ccs/cmd/endprocess")
	goBuild := exec.Command("go", append([]string{"build"}, flags...)...)
	goBuild.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := goBuild.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the end-process: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// serveForTest is an executor process.
func serveForTest(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if file := os.Getenv("TEST_EXECUTOR_LIMIT"); file != "" {
		go limitMyself(file)
	}
	slots, err := strconv.Atoi(os.Getenv("TEST_EXECUTOR_SLOTS"))
	if err != nil {
		return 1
	}
	total, err := strconv.Atoi(os.Getenv("TEST_EXECUTOR_SLOTS_TOTAL"))
	if err != nil {
		return 1
	}
	cfg := Config{
		SlotsTotal: total,
		StateDir:   dir, Socket: os.Getenv("TEST_EXECUTOR_SOCKET"), EndProcess: os.Getenv("TEST_EXECUTOR_ENDPROCESS"),
		Slots: slots, MaxRecords: 100, Cgroup: os.Getenv("TEST_EXECUTOR_CGROUP"),
	}
	for name, to := range map[string]*int64{"TEST_EXECUTOR_SPOOL": &cfg.SpoolBytes, "TEST_EXECUTOR_MINFREE": &cfg.MinFreeBytes} {
		if *to, err = strconv.ParseInt(os.Getenv(name), 10, 64); err != nil {
			return 1
		}
	}
	if err := runForTest(ctx, cfg, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runForTest(ctx context.Context, cfg Config, logs io.Writer) error {
	e, err := Open(cfg, Deps{Log: slog.New(slog.NewTextHandler(logs, nil)), Version: "test"})
	if err != nil {
		return err
	}
	listener, err := Listen(cfg.Socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(PeerCredentials()))
	e.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = e.Run(ctx)
	server.Stop()
	return errors.Join(err, <-served)
}
