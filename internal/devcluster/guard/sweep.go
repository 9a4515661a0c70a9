package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sweepPause is how long a sweep lets the kernel work between two rounds.
const sweepPause = 10 * time.Millisecond

// sweep kills every descendant of this process and everything that carries the
// marker, and comes back when there is none. reap collects children that have
// ended and says whether the process has no child any more, dead or alive:
// that is the kernel's word, while a listing of /proc may miss a process that
// forks while it is read.
func sweep(ctx context.Context, marker string, reap func() (childless bool)) error {
	var last error
	for {
		all, err := processes()
		if err != nil {
			return err
		}
		doomed := append(descendants(all, os.Getpid()), marked(all, marker)...)
		last = nil
		for _, p := range doomed {
			last = errors.Join(last, p.kill())
		}
		if reap() && len(doomed) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot end %d processes, first pid %d: %w", len(doomed), first(doomed), errors.Join(ctx.Err(), last))
		case <-time.After(sweepPause):
		}
	}
}

func first(ps []Process) int {
	if len(ps) == 0 {
		return 0
	}
	return ps[0].PID
}

// sweepMarked is what is left to the front when both guards are gone: it is
// not the parent of anything, so only the marker counts.
func sweepMarked(ctx context.Context, marker string) error {
	for {
		all, err := processes()
		if err != nil {
			return err
		}
		doomed := marked(all, marker)
		if len(doomed) == 0 {
			return nil
		}
		var failed error
		for _, p := range doomed {
			failed = errors.Join(failed, p.kill())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot end %d processes, first pid %d: %w", len(doomed), first(doomed), errors.Join(ctx.Err(), failed))
		case <-time.After(sweepPause):
		}
	}
}

// waitAny collects one child that has ended. pid is 0 when none has;
// childless when there is no child at all.
func waitAny() (pid int, status unix.WaitStatus, childless bool) {
	for {
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return 0, 0, true
		case err != nil:
			return 0, 0, false
		}
		return pid, status, false
	}
}

// removeDir removes the cluster's directory, or what is in it when somebody
// else made it. A process that died a moment ago may still have been writing,
// hence the repetition.
func removeDir(c Config) error {
	if c.Dir == "" || c.Keep {
		return nil
	}
	var err error
	for range 5 {
		if err = removeContent(c.Dir); err == nil {
			break
		}
		<-time.After(sweepPause)
	}
	if err != nil || c.KeepTop {
		return err
	}
	if err := os.Remove(c.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove the cluster's directory: %w", err)
	}
	return nil
}

func removeContent(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list the cluster's directory: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(dir + "/" + e.Name()); err != nil {
			return fmt.Errorf("cannot empty the cluster's directory: %w", err)
		}
	}
	return nil
}
