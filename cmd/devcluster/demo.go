package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// demo is what a newcomer sees: the cluster comes up, two jobs run, and the
// cluster stays for more.
func demo(cmd *cobra.Command, f flags) error {
	s, err := open(cmd, f)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	for _, j := range []job{jobOneRoom, jobAllHosts} {
		if err := s.show(ctx, j); err != nil {
			if ctx.Err() != nil {
				err = nil // Ctrl-C during a job is no fault of the job
			}
			return s.closeAfter(ctx, f, err)
		}
	}
	s.suggest()
	return s.closeAfter(ctx, f, s.untilInterrupted(ctx))
}

// show runs a job with the terminal as its own, so that its progress is live.
func (s *session) show(ctx context.Context, j job) error {
	s.say("\n%s:\n$ %s", j.title, j.line())
	c := s.ccsctl(ctx, j.args...)
	c.Stdout, c.Stderr = s.out, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("the job failed (%w); the logs of all processes are in %s while --keep is given", err, filepath.Join(s.cluster.Dir(), "log"))
	}
	return nil
}

// suggest prints what to try next in another terminal.
func (s *session) suggest() {
	ctl := filepath.Join(s.bin, "ccsctl")
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, ctl); err == nil && len(rel) < len(ctl) {
			ctl = rel
		}
	}
	s.say("\nThe cluster is up after %.1f s. In another terminal, try:\n", time.Since(s.began).Seconds())
	s.say("  export CCSCTL_CONFIG=%s", s.cluster.ClientConfig())
	for _, args := range []string{
		"host list", "ping --all", "run --selector 'app in (web,api),!canary' -- date", "job list",
	} {
		s.say("  %s %s", ctl, args)
	}
	s.say("\nLogs: %s\nCtrl-C here stops and removes all of it.", filepath.Join(s.cluster.Dir(), "log"))
}
