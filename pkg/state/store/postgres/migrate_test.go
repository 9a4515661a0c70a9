package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// release is the migrations of this release, and made-up ones of those to come.
func release(t *testing.T, later ...string) fs.FS {
	t.Helper()
	steps := fstest.MapFS{}
	ours, err := fs.Sub(embedded, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(ours, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(ours, name)
		if err != nil {
			t.Fatal(err)
		}
		steps[name] = &fstest.MapFile{Data: text}
	}
	for i, text := range later {
		steps[fmt.Sprintf("%05d_later.sql", len(names)+1+i)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return steps
}

func openRelease(t *testing.T, dsn string, steps fs.FS) (*Store, error) {
	t.Helper()
	s, err := open(t.Context(), at(dsn), steps)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

const addition = "ALTER TABLE jobs ADD COLUMN colour text; CREATE TABLE more (n int);"

func TestANewerReleaseMigratesWhileTheOlderGoesOn(t *testing.T) {
	dsn := shared.DSN(t)
	older := openAt(t, dsn)
	epoch := claim(t, older, "s1")
	mustCommit(t, older, aBatch(epoch, 1, aJob(1)))

	newer, err := openRelease(t, dsn, release(t, addition))
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, older, aBatch(epoch, 2, aJob(2)))
	for who, s := range map[string]*Store{"the older": older, "the newer": newer} {
		for n := 1; n <= 2; n++ {
			if _, err := s.LoadJob(t.Context(), storetest.ID(n)); err != nil {
				t.Errorf("%s release reads job %d: %v", who, n, err)
			}
		}
	}
	again := openAt(t, dsn) // the older is started anew
	mustCommit(t, again, aBatch(epoch, 3, aJob(3)))
	mustCommit(t, newer, aBatch(epoch, 4, aJob(4)))
}

func TestASchemaThatHasLeftThisReleaseBehindIsRefused(t *testing.T) {
	dsn := shared.DSN(t)
	older := openAt(t, dsn)
	epoch := claim(t, older, "s1")
	if _, err := openRelease(t, dsn, release(t, addition, "ALTER TABLE jobs DROP COLUMN spec; UPDATE meta SET min_reader = 4;")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), at(dsn))
	if !errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), "version 4") || !strings.Contains(err.Error(), "up to 2") {
		t.Errorf("%v, want ErrNewerSchema with both versions", err)
	}
	// One that runs notices as well, before it writes.
	results, err := older.Commit(t.Context(), []store.Batch{aBatch(epoch, 1, aJob(1))})
	if !errors.Is(err, ErrNewerSchema) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%+v, %v, want ErrNewerSchema", results, err)
	}
}

func TestAMigrationThatFailsLeavesTheSchemaAsItWas(t *testing.T) {
	dsn := shared.DSN(t)
	openAt(t, dsn)
	_, err := openRelease(t, dsn, release(t, "CREATE TABLE half (n int); SELECT 1/0;"))
	if err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("%v, want the server's words", err)
	}
	s := openAt(t, dsn)
	var half bool
	if err := s.readers.QueryRow(t.Context(), "SELECT to_regclass('half') IS NOT NULL").Scan(&half); err != nil || half {
		t.Errorf("half of the migration is there: %v, %v", half, err)
	}
	if _, err := openRelease(t, dsn, release(t, addition)); err != nil {
		t.Errorf("the mended migration: %v", err)
	}
}

func TestManyWhoOpenAtOnceMigrateOnce(t *testing.T) {
	dsn := shared.DSN(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := Open(t.Context(), at(dsn))
			if err != nil {
				t.Error(err)
				return
			}
			_ = s.Close()
		})
	}
	all.Wait()
	s := openAt(t, dsn)
	var steps int
	if err := s.readers.QueryRow(t.Context(), "SELECT count(*) FROM "+versionTable+" WHERE version_id > 0").Scan(&steps); err != nil || steps != 2 {
		t.Errorf("%d migrations are noted, %v, want 2", steps, err)
	}
}

func TestAnotherProgramsDatabaseIsLeftAlone(t *testing.T) {
	dsn := shared.DSN(t)
	onDatabase(t, dsn, "CREATE TABLE customers (name text)")
	if _, err := Open(t.Context(), at(dsn)); !errors.Is(err, ErrForeignDatabase) || !strings.Contains(err.Error(), "store.dsn") {
		t.Errorf("%v, want ErrForeignDatabase that says what to do", err)
	}
	// A schema of our own in it is another matter.
	onDatabase(t, dsn, "CREATE SCHEMA ccs")
	s := openAt(t, dsn+"&search_path=ccs")
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, aJob(1)))
}
