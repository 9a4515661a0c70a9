package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// Who has moved a store away, as docs/backup.md says, and takes the moved one for a
// backup loses what was acknowledged and is in its WAL.
func TestAStoreWithAWALIsNoBackup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	before, err := Open(t.Context(), at(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(newShift(t, before).create(1), before.Close()); err != nil { // that is in the file
		t.Fatal(err)
	}
	w := newShift(t, opened(t, path))
	for n := 2; n <= 3; n++ {
		if err := w.create(n); err != nil {
			t.Fatal(err)
		}
	}
	moved := filepath.Join(t.TempDir(), "store.db") // as after a kill -9
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := copied(t, path+suffix, moved+suffix); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := filepath.Join(t.TempDir(), "store.db")
	c, err := Restore(t.Context(), moved, at(elsewhere), 0)
	if err == nil {
		_, lost := opened(t, elsewhere).LoadJob(t.Context(), storetest.ID(3))
		t.Errorf("restored as %s; the job that was acknowledged last: %v", c, lost)
	} else if !errors.Is(err, ErrNotWhole) {
		t.Error(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db") // what the error says
	if _, err := Backup(t.Context(), at(moved), backup); err != nil {
		t.Fatal(err)
	}
	if c, err := Restore(t.Context(), backup, at(elsewhere), 0); err != nil || c.Jobs != 3 {
		t.Errorf("from a backup of it is restored %s, %v", c, err)
	}
}

func copied(t *testing.T, from, to string) error {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
