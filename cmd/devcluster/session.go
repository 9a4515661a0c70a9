package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/internal/postgresserver"
)

// startBudget bounds the start of a cluster; on two cores it takes seconds.
const startBudget = 90 * time.Second

// errInterrupted is how a verb ends after Ctrl-C: in order, with status 130.
var errInterrupted = errors.New("interrupted")

// session is one cluster and the person in front of it.
type session struct {
	cluster *devcluster.Cluster
	store   *postgresserver.Server // nil: SQLite
	bin     string
	out     io.Writer
	began   time.Time
	// dirWasThere: the person made --dir, which is then emptied and not removed.
	dirWasThere bool
}

// open starts the cluster and tells the person how it comes along.
func open(cmd *cobra.Command, f flags) (*session, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find the binary of devcluster: %w", err)
	}
	if f.bin == "" {
		f.bin = filepath.Dir(self)
	}
	if f.bin, err = filepath.Abs(f.bin); err != nil {
		return nil, fmt.Errorf("cannot use --bin: %w", err)
	}
	if len(f.rooms) == 0 {
		f.rooms = []string{"bj01", "sh01"}
	}
	if f.hosts < len(f.rooms) {
		return nil, fmt.Errorf("cannot start %d hosts: --hosts must be 2 or more, one for each room at least", f.hosts)
	}
	s := &session{bin: f.bin, out: cmd.OutOrStdout(), began: time.Now()}
	if f.dir != "" {
		_, err := os.Stat(f.dir)
		s.dirWasThere = err == nil
	}
	s.say("Starting a CCS of %s in %s. Ctrl-C stops and removes all of it.", counted(f.hosts, "host"), counted(len(f.rooms), "room"))
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), startBudget, fmt.Errorf("not whole within %v", startBudget))
	defer cancel()
	dsn, err := s.openStore(ctx, f.store)
	if err != nil {
		return nil, errors.Join(err, s.closeStore())
	}
	s.cluster, err = devcluster.Start(ctx, devcluster.Options{
		Bin: f.bin, Self: self, Dir: f.dir, Listen: f.listen, Store: dsn, Rooms: f.rooms, Hosts: f.hosts, Keep: f.keep,
		Progress: func(text string) { s.say("  %5.1f s  %s", time.Since(s.began).Seconds(), text) },
	})
	if err != nil {
		err = errors.Join(err, s.closeStore())
	}
	if err != nil && cmd.Context().Err() != nil {
		s.say("\nInterrupted while starting. Everything is stopped and removed.")
		return nil, errInterrupted
	}
	return s, err
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // a reader that is gone ends us by SIGPIPE
}

// untilInterrupted comes back at Ctrl-C, or with an error when the cluster
// has gone by itself.
func (s *session) untilInterrupted(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.cluster.Gone():
		return errors.New("the guard of the cluster was killed; everything has been stopped")
	}
}

// closeAfter ends the cluster and says so; stopped is what the session came to.
func (s *session) closeAfter(ctx context.Context, f flags, stopped error) error {
	s.say("\nStopping…")
	began := time.Now()
	// The interrupt that ended the session is used up: the stop has its own budget.
	if err := errors.Join(s.cluster.Close(context.WithoutCancel(ctx)), s.closeStore()); err != nil {
		return errors.Join(stopped, err)
	}
	left, err := s.cluster.Leftovers()
	if err != nil || len(left) > 0 {
		return errors.Join(stopped, err, fmt.Errorf("these processes are left: %v", left))
	}
	if f.keep {
		s.say("Stopped in %.1f s. Logs and state are kept in %s.", time.Since(began).Seconds(), s.cluster.Dir())
	} else {
		s.say("Stopped in %.1f s. No process, socket or file of it is left.", time.Since(began).Seconds())
	}
	return stopped
}
