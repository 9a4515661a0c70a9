package main

import (
	"os"
	"path/filepath"
	"testing"
)

// aFloor is one whose end-process only ends.
func aFloor(t *testing.T) *floor {
	t.Helper()
	dir, err := os.MkdirTemp("", "ccs-floor-") //nolint:usetesting // unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "ccs-endprocess"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := newFloor(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheFloorMakesAsManyFsyncsAsItSays(t *testing.T) {
	f := aFloor(t)
	command, err := f.acceptAndClaim()
	if err != nil {
		t.Fatal(err)
	}
	if f.syncs != fsyncsToStart {
		t.Errorf("%d fsyncs before the start, want %d", f.syncs, fsyncsToStart)
	}
	if err := f.endAndCommit(command); err != nil {
		t.Fatal(err)
	}
	if f.syncs != fsyncsToResult {
		t.Errorf("%d fsyncs to the result, want %d", f.syncs, fsyncsToResult)
	}
	for _, name := range []string{"spec", "attempt.1", "stdout.1", "exit.1"} {
		if _, err := os.Stat(filepath.Join(command, name)); err != nil {
			t.Error(err)
		}
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

func TestEveryPartOfTheFloorIsTimedRoundAfterRound(t *testing.T) {
	f := aFloor(t)
	for range walAround/walPages/2 + 1 { // two commits each: once around the log
		got, err := f.measure(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.toStart <= 0 || got.toResult <= got.toStart || got.hops <= 0 || got.process <= 0 {
			t.Fatalf("a round took %+v", got)
		}
		if got.sum() != got.toStart+got.hops+got.process {
			t.Errorf("the sum of %+v is %s", got, got.sum())
		}
	}
	if info, err := os.Stat(f.wal.Name()); err != nil || info.Size() != walAround*walPage {
		t.Errorf("the log has %v, %v; it must begin again after %d pages", info, err, walAround)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.dir); !os.IsNotExist(err) {
		t.Errorf("the floor leaves its directory behind: %v", err)
	}
}

func TestAMissingEndProcessIsNamed(t *testing.T) {
	f := aFloor(t)
	f.endprocess += ".gone"
	if _, err := f.measure(t.Context()); err == nil {
		t.Error("it measured the start of a program that is not there")
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}
