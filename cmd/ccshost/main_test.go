package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/tier/executor"
)

// endProcess is the program that TestMain has built.
var endProcess string

// TestMain builds the real end-process once. Run with an environment variable it
// is an executor process, so that tests can kill one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_EXECUTOR_STATE"); dir != "" {
		os.Exit(serve(dir, os.Getenv("TEST_EXECUTOR_SOCKET"), os.Getenv("TEST_EXECUTOR_ENDPROCESS")))
	}
	if args := os.Getenv("TEST_CCSHOST"); args != "" {
		main()
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ccshost-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	endProcess = filepath.Join(dir, "ccs-endprocess")
	goBuild := exec.Command("go", "build", "-ldflags", "-X main.version="+setup.Version(), "-o", endProcess, "github.com/ccs-project/ccs/cmd/endprocess")
	goBuild.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := goBuild.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the end-process: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// serve is an executor process.
func serve(dir, socket, program string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg := executor.Default()
	cfg.StateDir, cfg.Socket, cfg.EndProcess, cfg.MaxRecords = dir, socket, program, 100
	cfg.Cgroup = "none" // what it says is the same on every machine
	if err := work(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(ctx context.Context, cfg executor.Config) error {
	e, err := executor.Open(cfg, executor.Deps{Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Version: setup.Version()})
	if err != nil {
		return err
	}
	listener, err := executor.Listen(cfg.Socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(executor.PeerCredentials()))
	e.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = e.Run(ctx)
	server.Stop()
	return errors.Join(err, <-served)
}
