package postgresserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
)

// Fixture is one server for all tests of a binary, started by the first that
// asks. Its zero value is ready; TestMain closes it. It is safe for concurrent
// use.
type Fixture struct {
	Config Config // of the server; set before the first use

	mu        sync.Mutex
	server    *Server // under mu
	failed    error   // under mu: of Start, kept
	databases int     // under mu: made so far
}

// DSN makes a database for the test and returns how to reach it. Where
// PostgreSQL is not installed the test is skipped, and says so.
func (f *Fixture) DSN(tb testing.TB) string {
	tb.Helper()
	server := f.Server(tb)
	f.mu.Lock()
	f.databases++
	name := "test_" + strconv.Itoa(f.databases)
	f.mu.Unlock()
	dsn, err := server.CreateDatabase(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return dsn
}

// Server is the server itself, for tests that look at it. They share it.
func (f *Fixture) Server(tb testing.TB) *Server {
	tb.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == nil && f.failed == nil {
		// It outlives the test that asked first.
		f.server, f.failed = Start(context.WithoutCancel(tb.Context()), f.Config)
	}
	if errors.Is(f.failed, ErrNotInstalled) {
		tb.Skip(ErrNotInstalled.Error())
	}
	if f.failed != nil {
		tb.Fatal(f.failed)
	}
	return f.server
}

// Close ends the server, if there is one.
func (f *Fixture) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == nil {
		return nil
	}
	if err := f.server.Close(); err != nil {
		return fmt.Errorf("cannot end PostgreSQL: %w", err)
	}
	f.server = nil
	return nil
}
