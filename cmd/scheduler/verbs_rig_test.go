package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// site is where an operator types verbs: a store, and what schedulers are
// configured with.
type site struct {
	t    *testing.T
	dsn  string
	conf string // the file
}

// newSite has no store yet, but in SQLite the directory for it.
func newSite(t *testing.T) site {
	t.Helper()
	return siteOf(t, "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
}

func siteOf(t *testing.T, dsn string) site {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "scheduler.yaml")
	if err := os.WriteFile(conf, []byte("store:\n  dsn: "+strconv.Quote(dsn)+"\n  busy_timeout: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return site{t, dsn, conf}
}

func (s site) path() string { return strings.TrimPrefix(s.dsn, "sqlite:") }

// config is that of the store.
func (s site) config() storeConfig {
	c := defaultStore()
	c.DSN = s.dsn
	return c
}

// types runs the program with a verb.
func (s site) types(args ...string) (status int, out, errs string) {
	s.t.Helper()
	return typed(s.t, append(args, "--config", s.conf)...)
}

// wants runs a verb and checks how it ends and what it says.
func (s site) wants(status int, text string, args ...string) {
	s.t.Helper()
	got, out, errs := s.types(args...)
	said := out
	if status != setup.ExitOK {
		said = errs
	}
	if got != status || !strings.Contains(said, text) || status != setup.ExitOK && out != "" {
		s.t.Errorf("%s: status %d, want %d and %q\n%s%s", strings.Join(args, " "), got, status, text, out, errs)
	}
}

func typed(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMain+"=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// owner is a scheduler that owns a shard and writes to it.
type owner struct {
	t     *testing.T
	s     store.Store
	shard job.ShardID
	epoch job.Epoch
	n     uint64
}

// scheduler opens the store and claims a shard, as one that runs has done.
func (s site) scheduler() *owner {
	s.t.Helper()
	opened, err := s.config().open(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			s.t.Error(err)
		}
	})
	o := &owner{t: s.t, s: opened, shard: job.ShardID{Pool: "standard", N: 7}}
	o.claim()
	return o
}

func (o *owner) claim() {
	o.t.Helper()
	var err error
	if o.epoch, err = o.s.Claim(o.t.Context(), o.shard, "s1"); err != nil {
		o.t.Fatal(err)
	}
	o.n = 0
}

// write commits a part of a job, and returns what came of the batch.
func (o *owner) write(b store.JobBatch) error {
	o.t.Helper()
	o.n++
	results, err := o.s.Commit(o.t.Context(), []store.Batch{{Shard: o.shard, Epoch: o.epoch, Number: o.n, Jobs: []store.JobBatch{b}}})
	if err != nil {
		o.t.Fatal(err)
	}
	return results[0].Err
}

// accepts makes a job durable.
func (o *owner) accepts(n int) job.ID {
	o.t.Helper()
	b := storetest.NewJob(storetest.ID(n), o.shard.Pool, 3)
	if err := o.write(b); err != nil {
		o.t.Fatal(err)
	}
	return b.ID
}
