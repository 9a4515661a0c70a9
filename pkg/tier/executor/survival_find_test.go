package executor

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func lives(id proc.Identity) bool { return alive(id) != adopt.Dead }

// open makes an executor of this process that does nothing yet.
func open(t *testing.T, dir string) *Executor {
	t.Helper()
	cfg := Default()
	cfg.StateDir, cfg.EndProcess = dir, endProcess
	e, err := Open(cfg, Deps{Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// finds names what an executor that starts on the directory has to do about the
// command c.
func finds(t *testing.T, dir string) string {
	t.Helper()
	e := open(t, dir)
	defer e.root.Close()
	c := e.commands["c"]
	if e.tombs.has("c") {
		return "released"
	}
	if c == nil {
		return "unknown"
	}
	s := e.see("c", c.attempt, false, c.startBy)
	if s.err != nil {
		t.Fatal(s.err)
	}
	return adopt.Decide(s.found, s.live).String()
}

// age makes every process that the records of a state directory name one of an
// earlier boot.
func age(t *testing.T, dir string) {
	t.Helper()
	const earlier = "an-earlier-boot"
	c, err := spool.OpenCommand(filepath.Join(dir, "commands/c"))
	if errors.Is(err, spool.ErrMissing) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if a, err := c.Attempt(1); err == nil && !a.Supervisor.IsZero() {
		a.Supervisor.Boot = earlier
		if err := errors.Join(os.Remove(c.Path("attempt.1")), c.Decide(1, a)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := c.Started(1); err == nil {
		s.Leader.Boot = earlier
		if err := errors.Join(os.Remove(c.Path("run.1")), c.Begin(1, s)); err != nil {
			t.Fatal(err)
		}
	}
}
