package agent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// Both states keep one contract.
func TestWhatIsSavedIsLoaded(t *testing.T) {
	file, err := agent.OpenFileState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for name, s := range map[string]agent.State{"memory": &agent.MemoryState{}, "file": file} {
		t.Run(name, func(t *testing.T) {
			if got, err := s.Load("copy-1"); got != nil || err != nil {
				t.Errorf("before anything is saved: %q, %v", got, err)
			}
			content := []byte("one")
			for _, durable := range []bool{true, false} {
				for _, name := range []string{"copy-2", "copy-1", "bundle"} {
					if err := s.Save(name, content, durable); err != nil {
						t.Fatal(err)
					}
				}
			}
			content[0] = 'X' // what was saved is saved
			if got, err := s.Load("copy-1"); string(got) != "one" || err != nil {
				t.Errorf("loaded %q, %v", got, err)
			}
			if names, err := s.List("copy-"); err != nil || !slices.Equal(names, []string{"copy-1", "copy-2"}) {
				t.Errorf("listed %v, %v", names, err)
			}
			if err := errors.Join(s.Remove("copy-1"), s.Remove("copy-1")); err != nil {
				t.Errorf("removed twice: %v", err)
			}
			if names, _ := s.List(""); !slices.Contains(names, "bundle") || slices.Contains(names, "copy-1") {
				t.Errorf("listed %v", names)
			}
		})
	}
}

func TestTwoAgentsOnOneStateDirectoryAreOneTooMany(t *testing.T) {
	dir := t.TempDir()
	first, err := agent.OpenFileState(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = agent.OpenFileState(dir)
	if !errors.Is(err, agent.ErrTaken) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("the second is told: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := agent.OpenFileState(dir)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	_ = third.Close()
}

func TestWhoAsksWhoHoldsTheStateDirectoryKeepsNoAgentFromStarting(t *testing.T) {
	dir := t.TempDir()
	asker, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = unix.Flock(int(asker.Fd()), unix.LOCK_SH|unix.LOCK_NB) // as spool.HeldBy does
	}
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = asker.Close() })
	s, err := agent.OpenFileState(dir)
	if err != nil {
		t.Fatalf("somebody has only asked: %v", err)
	}
	_ = s.Close()
}

func TestWhatWasHalfWrittenIsGone(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, ".new-bundle-123")
	if err := os.WriteFile(half, []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := agent.OpenFileState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := s.Save("bundle", []byte("x"), true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.Path("bundle")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the directory holds %v", entries)
	}
}

func TestAStateDirectoryThatCannotBeMadeIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.OpenFileState(filepath.Join(file, "state")); err == nil {
		t.Error("below a file there is a directory")
	}
}
