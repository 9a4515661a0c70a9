package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestNobodyElseMayReadTheStore(t *testing.T) {
	before := syscall.Umask(0) // nothing runs beside this test
	defer syscall.Umask(before)
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	if _, err := s.Claim(t.Context(), job.ShardID{Pool: "standard"}, "s1"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 4 {
		t.Fatalf("only %v, %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want 0600", file, info.Mode(), err)
		}
	}
}

func TestAStoreThatOthersMayReadIsRefused(t *testing.T) {
	for _, suffix := range []string{"", "-wal"} {
		path := filepath.Join(t.TempDir(), "ccs.db")
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, nil, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		if err := os.Chmod(path+suffix, 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), at(path))
		if !errors.Is(err, ErrNotPrivate) || !strings.Contains(err.Error(), path+suffix) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%v, want ErrNotPrivate that names %s", err, path+suffix)
		}
	}
}

func TestTheStoreIsWhereItsLinksLead(t *testing.T) {
	root := t.TempDir()
	far := filepath.Join(root, "far")
	if err := os.Mkdir(far, 0o700); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"dir": far, "file.db": filepath.Join(far, "ccs.db")} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := resolve(filepath.Join(root, "file.db")); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link to nothing: %v", err)
	}
	for _, path := range []string{"dir/ccs.db", "file.db", "far/ccs.db", "dir/../far/ccs.db"} { // the first makes the file
		s := open(t, filepath.Join(root, path))
		got, err := resolve(filepath.Join(root, path))
		if err != nil || filepath.Base(filepath.Dir(got)) != "far" || filepath.Base(got) != "ccs.db" {
			t.Errorf("%s is at %s, %v", path, got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil || len(names) != 3 {
		t.Errorf("beside the links lie %v, %v: processes would not meet at one queue", names, err)
	}
}

func TestAFileThatAnotherProcessMakesMeanwhileIsNoLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	done := make(chan error)
	go func() { // the other process; it makes the file and takes it away, many times
		var failed error
		for range 3000 {
			failed = errors.Join(failed, os.WriteFile(path, nil, 0o600), os.Remove(path))
		}
		done <- failed
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			if _, err := resolve(path); err != nil {
				t.Fatal(errors.Join(err, <-done))
			}
		}
	}
}
