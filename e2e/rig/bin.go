package rig

import (
	"os"
	"path/filepath"
	"testing"
)

// Bin is the directory of the built binaries: $CCS_BIN, or bin at the root of
// the repository.
func Bin(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CCS_BIN")
	if dir == "" {
		dir = filepath.Join(root(t), "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "devcluster")); err != nil {
		t.Fatalf("no binaries in %s (%v): run make build, or set CCS_BIN", dir, err)
	}
	return dir
}

// root is the directory of go.mod, above the one that the test runs in.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("the test does not run inside the repository")
	return ""
}

// Dir makes a directory with a short path, removed after the test. That of
// t.TempDir holds the test's name, and sentences are too long for the paths of
// unix sockets.
func Dir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ccs-e2e-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
