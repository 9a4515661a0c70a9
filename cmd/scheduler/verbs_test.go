package main

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/postgres"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestWhoAsksWhatCanBeDoneToTheStoreIsTold(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
	}{
		{[]string{"store"}, setup.ExitUsage},
		{[]string{"store", "drop"}, setup.ExitUsage},
		{[]string{"store", "--help"}, setup.ExitOK},
		{[]string{"store", "-h"}, setup.ExitOK},
	} {
		status, out, errs := typed(t, c.args...)
		said, silent := errs, out
		if c.status == setup.ExitOK {
			said, silent = out, errs
		}
		if status != c.status || silent != "" {
			t.Errorf("%q: status %d, want %d\n%s%s", c.args, status, c.status, out, errs)
		}
		for _, v := range verbs() {
			if !strings.Contains(said, "ccs-scheduler "+v.name+" ") {
				t.Errorf("%q says nothing of %s:\n%s", c.args, v.name, said)
			}
		}
	}
	for _, v := range verbs() {
		status, out, _ := typed(t, append(strings.Fields(v.name), "--help")...)
		if status != setup.ExitOK || !strings.Contains(out, v.short) {
			t.Errorf("%s --help: status %d\n%s", v.name, status, out)
		}
		for _, flag := range v.needs {
			if !strings.Contains(out, "--"+flag) {
				t.Errorf("%s needs --%s and does not show it:\n%s", v.name, flag, out)
			}
		}
	}
}

func TestAVerbThatLacksSomethingDoesNothing(t *testing.T) {
	s := newSite(t)
	for flag, verb := range map[string]string{"to": "backup", "from": "restore", "job": "reinstate"} {
		s.wants(setup.ExitUsage, "--"+flag+" is missing", "store", verb)
	}
	s.wants(setup.ExitUsage, "--above", "store", "raise-generation", "--above", "-1")
	s.wants(setup.ExitUsage, "unexpected argument", "store", "backup", "here")
	wrong := siteOf(t, "mysql://db/ccs")
	for _, args := range [][]string{{"backup", "--to", "x"}, {"restore", "--from", "x"}, {"raise-generation"}, {"reinstate", "--job", storetest.ID(1).String()}} {
		wrong.wants(setup.ExitUsage, "store.dsn: must be", append([]string{"store"}, args...)...)
	}
	if _, err := os.Stat(s.path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a store now: %v", err)
	}
}

func TestAVerbMakesNoStore(t *testing.T) {
	s := newSite(t)
	to := filepath.Join(t.TempDir(), "backup.db")
	s.wants(setup.ExitFailure, "there is no store where store.dsn says", "store", "backup", "--to", to)
	s.wants(setup.ExitFailure, "there is no store where store.dsn says", "store", "raise-generation")
	s.wants(setup.ExitFailure, "there is no store where store.dsn says", "store", "reinstate", "--job", storetest.ID(1).String())
	for _, path := range []string{to, s.path()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}

func TestAStoreInUseIsBackedUpAndRestoredElsewhere(t *testing.T) {
	s := newSite(t)
	o := s.scheduler()
	kept := o.accepts(1)
	to := filepath.Join(t.TempDir(), "backup.db")
	s.wants(setup.ExitOK, to+" has all that was durable when it was begun: generation 1, 1 jobs (1 of them not done), 0 hosts", "store", "backup", "--to", to)
	o.accepts(2) // whoever owns a shard has noticed nothing

	s.wants(setup.ExitFailure, "there is a file already: "+to+"; give another name", "store", "backup", "--to", to)
	s.wants(setup.ExitFailure, "stop every scheduler, and move what is left of the store away", "store", "restore", "--from", to)
	o.accepts(3)

	other := newSite(t)
	other.wants(setup.ExitFailure, "no such file", "store", "restore", "--from", to+".missing")
	other.wants(setup.ExitFailure, "is no good", "store", "restore", "--from", s.conf)
	other.wants(setup.ExitOK, "under another generation: generation 5, 1 jobs", "store", "restore", "--from", to, "--above", "4")
	again := other.scheduler()
	if _, err := again.s.LoadJob(t.Context(), kept); err != nil || again.epoch.Generation != 5 {
		t.Errorf("of the restored store there is %v, at %v", err, again.epoch)
	}
	nowhere := siteOf(t, "sqlite:"+filepath.Join(t.TempDir(), "missing", "store.db"))
	nowhere.wants(setup.ExitFailure, "make the directory of store.dsn first", "store", "restore", "--from", to)
}

// raised raises the generation under a scheduler that runs.
func raised(t *testing.T, s site) {
	t.Helper()
	o := s.scheduler()
	o.accepts(1)
	s.wants(setup.ExitOK, "The store is at generation 2.", "store", "raise-generation")
	if err := o.write(storetest.NewJob(storetest.ID(2), "standard", 3)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("who owned the shard before writes: %v, want that it is fenced", err)
	}
	o.claim()
	if o.accepts(2); o.epoch.Generation != 2 {
		t.Errorf("it is claimed again with %v", o.epoch)
	}
	s.wants(setup.ExitOK, "The store is at generation 8.", "store", "raise-generation", "--above", "7")
	s.wants(setup.ExitOK, "The store is at generation 9.", "store", "raise-generation", "--above", "3")
	s.wants(setup.ExitFailure, "look which generations were in force", "store", "raise-generation", "--above", "1000000")
}

func TestRaisingTheGenerationFencesEveryScheduler(t *testing.T) {
	raised(t, newSite(t))
}

func TestAStoreThatIsLockedIsNotWaitedForForEver(t *testing.T) {
	s := newSite(t)
	s.scheduler().accepts(1)
	db, err := sql.Open("sqlite", "file:"+s.path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	s.wants(setup.ExitFailure, "locked", "store", "raise-generation")
	s.wants(setup.ExitOK, "generation 1, 1 jobs", "store", "backup", "--to", filepath.Join(t.TempDir(), "backup.db")) // it only reads
}

func TestAFileThatIsNoStoreIsLeftAlone(t *testing.T) {
	s := newSite(t)
	text := []byte("to whom it may concern: this is no store, and is long enough to be looked at\n")
	if err := os.WriteFile(s.path(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", "--to", filepath.Join(t.TempDir(), "x")}, {"raise-generation"}, {"reinstate", "--job", storetest.ID(1).String()}} {
		s.wants(setup.ExitFailure, s.path(), append([]string{"store"}, args...)...)
	}
	if got, err := os.ReadFile(s.path()); err != nil || string(got) != string(text) {
		t.Errorf("it is %q now (%v)", got, err)
	}
}

// reinstated takes a job out of quarantine, and no other.
func reinstated(t *testing.T, s site) {
	t.Helper()
	o := s.scheduler()
	runs, aside := o.accepts(1), o.accepts(2)
	row := *storetest.Row(job.Quarantined, 2, 0)
	row.Trial = job.Trial{Was: job.Paused, Why: "it crashed its shard"}
	if err := o.write(store.JobBatch{ID: aside, Persist: job.Persist{Row: &row}}); err != nil {
		t.Fatal(err)
	}
	s.wants(setup.ExitFailure, "--state quarantined", "store", "reinstate", "--job", "mine")
	s.wants(setup.ExitFailure, "not found", "store", "reinstate", "--job", storetest.ID(3).String())
	s.wants(setup.ExitFailure, "job "+runs.String()+" is RUNNING: the job is not quarantined", "store", "reinstate", "--job", runs.String())
	o.accepts(4) // none of this has fenced its owner
	s.wants(setup.ExitOK, "Job "+aside.String()+" is PAUSED again.", "store", "reinstate", "--job", aside.String())
	if got, err := o.s.GetJob(t.Context(), aside); err != nil || got.Row.State != job.Paused || got.Row.Trial != (job.Trial{}) {
		t.Errorf("it is %s with %+v (%v)", got.Row.State, got.Row.Trial, err)
	}
	if err := o.write(storetest.NewJob(storetest.ID(5), "standard", 3)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("its owner writes on: %v, and would never load it", err)
	}
	s.wants(setup.ExitFailure, "not quarantined", "store", "reinstate", "--job", aside.String())
}

func TestAJobIsReinstatedByItsID(t *testing.T) {
	reinstated(t, newSite(t))
}

func TestPostgreSQLHasToolsOfItsOwnToBackUpAndRestore(t *testing.T) {
	s := siteOf(t, shared.DSN(t))
	to := filepath.Join(t.TempDir(), "backup")
	for _, args := range [][]string{{"backup", "--to", to}, {"restore", "--from", to}} {
		s.wants(setup.ExitFailure, "pg_dump", append([]string{"store"}, args...)...)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
	s.wants(setup.ExitFailure, "restore the backup into it first", "store", "raise-generation")
	s.wants(setup.ExitFailure, "restore the backup into it first", "store", "reinstate", "--job", storetest.ID(1).String())
	if err := postgres.Present(t.Context(), s.config().postgres()); !errors.Is(err, postgres.ErrNoStore) {
		t.Errorf("a verb has made a store: %v", err)
	}
	away := siteOf(t, "postgres://ccs:hunter2@127.0.0.1:1/ccs?connect_timeout=1")
	if status, out, errs := away.types("store", "raise-generation"); status != setup.ExitFailure || !strings.Contains(errs, "127.0.0.1:1") || strings.Contains(out+errs, "hunter2") {
		t.Errorf("a server that is away: status %d, want it to say where, and no password\n%s%s", status, out, errs)
	}
}

func TestRaisingTheGenerationOnPostgreSQLFencesEveryScheduler(t *testing.T) {
	raised(t, siteOf(t, shared.DSN(t)))
}

func TestAJobOnPostgreSQLIsReinstatedByItsID(t *testing.T) {
	reinstated(t, siteOf(t, shared.DSN(t)))
}
