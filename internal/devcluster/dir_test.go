package devcluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADirectoryThatIsNotOursIsRefusedUntouched(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := claimDir(dir); !errors.Is(err, ErrForeignDir) {
		t.Errorf("got %v, want ErrForeignDir", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the directory now holds %v", entries)
	}
}

func TestADirectoryInUseIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.keepTop {
		t.Error("a directory that was made here is kept")
	}
	if _, err := claimDir(dir); !errors.Is(err, ErrDirInUse) {
		t.Errorf("got %v, want ErrDirInUse", err)
	}
	if err := first.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatADeadClusterLeftIsCleared(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	dead, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "state", "h1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dead.lock.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := claimDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer next.lock.Close() //nolint:errcheck // the test is over
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("the dead cluster's state is still there")
	}
	if next.keepTop {
		t.Error("who made the directory was forgotten")
	}
}

func TestAnEmptyDirectoryOfSomebodyElseIsUsedAndKept(t *testing.T) {
	c, err := claimDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.lock.Close() //nolint:errcheck // the test is over
	if !c.keepTop {
		t.Error("a directory that was there before would be removed")
	}
}

func TestAPathTooLongForSocketsIsRefusedAndNotLeftBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if _, err := claimDir(dir); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the refused directory was left behind")
	}
}
