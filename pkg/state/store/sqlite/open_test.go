package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestManyOpenANewFileAtOnceAndOneMakesTheSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			s, err := Open(t.Context(), at(path))
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestAFileOfANewerReleaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	if _, err := s.writer.conn.ExecContext(t.Context(), "UPDATE schema_version SET version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), at(path))
	if !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), "99") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want ErrNewerSchema with the version and the path", err)
	}
}

func TestAnotherProgramsFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "other.db")
	s := open(t, path)
	if _, err := s.writer.conn.ExecContext(t.Context(), "ALTER TABLE schema_version RENAME TO theirs"); err != nil {
		t.Fatal(err)
	}
	if err := s.readers.Close(); err != nil { // else it cannot leave WAL
		t.Fatal(err)
	}
	if _, err := s.writer.conn.ExecContext(t.Context(), "PRAGMA journal_mode=DELETE"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at(path)); !errors.Is(err, ErrForeignFile) {
		t.Errorf("another database: %v, want ErrForeignFile", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("another database was changed, %v", err)
	}
	noDB := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(noDB, []byte(strings.Repeat("Dear Sir or Madam,\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at(noDB)); err == nil || !strings.Contains(err.Error(), noDB) {
		t.Errorf("a text file: %v, want an error that names it", err)
	}
	if b, err := os.ReadFile(noDB); err != nil || !strings.HasPrefix(string(b), "Dear Sir") {
		t.Errorf("the text file was changed: %v", err)
	}
}

func TestCommitsAreDurableByTheSettingsOfTheWriter(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", pragma, got, err, want)
		}
	}
}

func TestAFullDiskFailsTheCommitChangesNothingAndIsOverWhenThereIsRoom(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	shard := job.ShardID{Pool: "standard", N: 1}
	epoch, err := s.Claim(t.Context(), shard, "s1")
	if err != nil {
		t.Fatal(err)
	}
	pages := func(limit string) {
		t.Helper()
		if _, err := s.writer.conn.ExecContext(t.Context(), "PRAGMA max_page_count = "+limit); err != nil {
			t.Fatal(err)
		}
	}
	pages("40")
	batch := []store.Batch{helperBatch(shard, epoch, 1)}
	batch[0].Jobs[0].Create.Capsule = make([]byte, 1<<20)
	if _, err := s.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
	if applied, err := s.Fate(t.Context(), shard, epoch, 1); err != nil || applied {
		t.Errorf("applied %v, %v, want nothing", applied, err)
	}
	pages("1000000")
	if results, err := s.Commit(t.Context(), batch); err != nil || results[0].Err != nil || results[0].Again {
		t.Errorf("%+v, %v, want it applied now", results, err)
	}
}

func TestWhileOneWritesOthersReadAndAnotherProcessWaitsForItsTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	one, two := open(t, path), open(t, path) // two connections that write: two processes
	shard := job.ShardID{Pool: "standard", N: 1}
	began, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := one.writer.write(t.Context(), "write", func(ctx context.Context, tx *tx) error {
			if err := tx.exec(ctx, "UPDATE meta SET generation = 7"); err != nil {
				return err
			}
			close(began)
			<-goOn
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-began
	for _, s := range []*Store{one, two} {
		if _, _, err := s.ListJobs(t.Context(), store.JobQuery{}); err != nil {
			t.Errorf("a reader beside a writer: %v", err)
		}
	}
	impatient, err := openWriter(t.Context(), two.writer.place, 20*time.Millisecond)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a process that waits 20 ms: %v, %v, want ErrUnavailable", impatient, err)
	}
	claimed := make(chan job.Epoch)
	group.Go(func() {
		epoch, err := two.Claim(t.Context(), shard, "s2")
		if err != nil {
			t.Error(err)
		}
		claimed <- epoch
	})
	select {
	case <-claimed:
		t.Error("the other process did not wait")
	default:
	}
	close(goOn)
	if epoch := <-claimed; epoch.Generation != 7 {
		t.Errorf("epoch %v, want generation 7: what the first wrote", epoch)
	}
	group.Wait()
}

func TestEveryQueryUsesAnIndex(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	storetest.UseEverything(t, s)
	queries := map[string]bool{}
	for query := range s.stmts {
		queries[query] = true
	}
	for query := range s.writer.stmts {
		queries[query] = true
	}
	if len(queries) < 30 {
		t.Errorf("only %d queries were seen", len(queries))
	}
	for query := range queries {
		if strings.Contains(query, "schema_version") || strings.Contains(query, "sqlite_master") {
			continue // one row, read once, when the file is opened
		}
		for _, word := range []string{"SELECT", "UPDATE", "DELETE", "INSERT"} {
			if strings.HasPrefix(query, word) {
				checkPlan(t, s, query)
			}
		}
	}
}

func checkPlan(t *testing.T, s *Store, query string) {
	t.Helper()
	rows, err := s.writer.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var a, b, c any
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			t.Fatal(err)
		}
		inMemory := strings.Contains(step, "CONSTANT ROW") || strings.Contains(step, "VIRTUAL TABLE") // the latter are pragmas
		if strings.HasPrefix(step, "SCAN ") && !inMemory || strings.Contains(step, "TEMP B-TREE") {
			t.Errorf("%s: %s", step, query)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestMoreReadersThanConnectionsWaitForTheirTurn(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	began, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	for range DefaultConfig().Readers {
		group.Go(func() {
			err := s.frozen(t.Context(), func(*snapshot) error {
				began <- struct{}{}
				<-goOn
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-began
	}
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := s.ListJobs(impatient, store.JobQuery{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more reader: %v, want that it waits", err)
	}
	if _, err := s.Claim(t.Context(), job.ShardID{Pool: "standard"}, "s1"); err != nil {
		t.Errorf("a writer waits for readers: %v", err)
	}
	close(goOn)
	if _, _, err := s.ListJobs(t.Context(), store.JobQuery{}); err != nil {
		t.Errorf("when it is its turn: %v", err)
	}
	group.Wait()
}
