package sqlite

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// shift is an owner of a shard who creates one job after the other.
type shift struct {
	t     *testing.T
	s     *Store
	shard job.ShardID
	epoch job.Epoch
	n     uint64
}

func newShift(t *testing.T, s *Store) *shift {
	t.Helper()
	w := &shift{t: t, s: s, shard: job.ShardID{Pool: "standard", N: 7}}
	var err error
	if w.epoch, err = s.Claim(t.Context(), w.shard, "s1"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *shift) create(n int) error {
	w.n++
	results, err := w.s.Commit(w.t.Context(), []store.Batch{{
		Shard: w.shard, Epoch: w.epoch, Number: w.n, Jobs: []store.JobBatch{storetest.NewJob(storetest.ID(n), "standard", 100)},
	}})
	if err != nil {
		return err
	}
	return results[0].Err
}

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), at(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// names are the files of a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestABackupThatIsMadeWhileOthersWriteIsOfOneMomentAndCanBeRestored(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	w := newShift(t, opened(t, path))
	if err := w.create(1); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writes sync.WaitGroup
	writes.Go(func() {
		for n := 2; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := w.create(n); err != nil {
				t.Error(err)
				return
			}
		}
	})
	away := t.TempDir()
	backup := filepath.Join(away, "backup.db")
	c, err := Backup(t.Context(), at(path), backup)
	close(stop)
	writes.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if c.Generation != 1 || c.Jobs < 1 || c.Live != c.Jobs || uint64(c.Jobs) > w.n {
		t.Errorf("the backup has %s, of %d jobs", c, w.n)
	}
	if got := names(t, away); len(got) != 1 {
		t.Errorf("beside the backup there is %q", got)
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v, %v", info.Mode(), err)
	}
	elsewhere := filepath.Join(t.TempDir(), "store.db")
	r, err := Restore(t.Context(), backup, at(elsewhere), 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Contents{Generation: 2, Jobs: c.Jobs, Live: c.Live, Hosts: c.Hosts}); r != want {
		t.Errorf("restored is %s, want %s", r, want)
	}
	s := opened(t, elsewhere)
	for n := 1; n <= c.Jobs; n++ { // nothing is missing before the last one
		if _, err := s.LoadJob(t.Context(), storetest.ID(n)); err != nil {
			t.Errorf("of %d jobs: %v", c.Jobs, err)
		}
	}
}

func TestARestoredStoreFencesEverybodyWhoOwnedWhatWasLost(t *testing.T) {
	path, backup := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "backup.db")
	w := newShift(t, opened(t, path))
	if err := w.create(1); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), at(path), backup); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "store.db")
	if _, err := Restore(t.Context(), backup, at(again), 4); err != nil {
		t.Fatal(err)
	}
	w.s = opened(t, again)
	if err := w.create(2); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the owner of before writes: %v", err)
	}
	if epoch, err := w.s.Claim(t.Context(), w.shard, "s2"); err != nil || epoch.Generation != 5 {
		t.Errorf("the next owner has %v, %v", epoch, err)
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "store.db"), filepath.Join(t.TempDir(), "backup.db")
	s := opened(t, path)
	newShift(t, s)
	if _, err := Backup(t.Context(), at(path), backup); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), at(path), backup); !errors.Is(err, ErrInTheWay) {
		t.Errorf("a backup over another one: %v", err)
	}
	if _, err := Restore(t.Context(), backup, at(path), 0); !errors.Is(err, ErrInTheWay) {
		t.Errorf("a restore over a store: %v", err)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} { // what is left of a store would be played into the next
		other := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(other+suffix, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), backup, at(other), 0); !errors.Is(err, ErrInTheWay) {
			t.Errorf("a restore beside a file %s: %v", suffix, err)
		}
		if got := names(t, filepath.Dir(other)); len(got) != 1 {
			t.Errorf("it has left %q", got)
		}
	}
	if now, err := os.ReadFile(backup); err != nil || !bytes.Equal(now, kept) {
		t.Errorf("the backup has changed (%v)", err)
	}
}

func TestAFileThatIsNoGoodIsNeverTheStore(t *testing.T) {
	path, backup := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "backup.db")
	w := newShift(t, opened(t, path))
	for n := range 50 {
		if err := w.create(n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Backup(t.Context(), at(path), backup); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	scratched := bytes.Clone(whole)
	for at := 3 * 4096; at < len(scratched); at += 4096 {
		copy(scratched[at:], bytes.Repeat([]byte{0xff}, 64))
	}
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"half of a backup":         {whole[:len(whole)/2], store.ErrDamaged},
		"a backup that is damaged": {scratched, store.ErrDamaged},
		"a text":                   {[]byte("to be restored one day, but not this\n"), store.ErrDamaged},
		"an empty file":            {nil, ErrForeignFile},
	} {
		bad := filepath.Join(t.TempDir(), "bad.db")
		if err := os.WriteFile(bad, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "store.db")
		if _, err := Restore(t.Context(), bad, at(to), 0); !errors.Is(err, c.want) {
			t.Errorf("%s is restored: %v", name, err)
		}
		if got := names(t, filepath.Dir(to)); len(got) != 0 {
			t.Errorf("%s has left %q", name, got)
		}
	}
}

func TestWhatCannotBeBackedUpIsSaid(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	if _, err := Backup(t.Context(), at(path), filepath.Join(dir, "backup.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store that is not there: %v", err)
	}
	s := opened(t, path)
	w := newShift(t, s)
	if err := w.create(1); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), at(path), filepath.Join(dir, "nowhere", "backup.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
	if _, err := Backup(t.Context(), Config{}, filepath.Join(dir, "backup.db")); err == nil {
		t.Error("a store that is not named is backed up")
	}
	if _, err := Restore(t.Context(), filepath.Join(dir, "missing"), at(filepath.Join(t.TempDir(), "store.db")), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup that is not there: %v", err)
	}
	done := storetest.Row(job.Done, 2, 1)
	done.Counts = job.CountsOf(func(yield func(task.State, int) bool) { yield(task.Succeeded, 100) })
	w.n++
	if _, err := s.Commit(t.Context(), []store.Batch{{Shard: w.shard, Epoch: w.epoch, Number: w.n, Jobs: []store.JobBatch{{ID: storetest.ID(1), Persist: job.Persist{Row: done}}}}}); err != nil {
		t.Fatal(err)
	}
	c, err := Backup(t.Context(), at(path), filepath.Join(dir, "backup.db"))
	if want := "generation 1, 1 jobs (0 of them not done), 0 hosts"; err != nil || c.String() != want {
		t.Errorf("the backup has %q, want %q (%v)", c, want, err)
	}
}
