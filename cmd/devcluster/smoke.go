package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

// smoke is the demo without a person: it runs both jobs, checks every answer,
// stops, and checks that nothing is left.
func smoke(cmd *cobra.Command, f flags) error {
	s, err := open(cmd, f)
	if err != nil {
		return err
	}
	err = s.smokeJobs(cmd.Context())
	if err = s.closeAfter(cmd.Context(), f, err); err != nil {
		return err
	}
	if _, err := os.Stat(s.cluster.Dir()); !f.keep && !s.dirWasThere && err == nil {
		return fmt.Errorf("the directory %s is left", s.cluster.Dir())
	}
	s.say("Smoke passed after %.1f s.", time.Since(s.began).Seconds())
	return nil
}

func (s *session) smokeJobs(ctx context.Context) (err error) {
	ctl, err := s.cluster.Client()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ctl.Close()) }()
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("cannot tell the host's name: %w", err)
	}
	for _, check := range []struct {
		job      job
		selector string // of the hosts that must answer
		begins   string // what each answer begins with
	}{
		{jobOneRoom, "room=bj01", name + "\n"},
		{jobAllHosts, "", "Linux "},
	} {
		out, err := s.ccsctl(ctx, check.job.args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w; it said:\n%s", check.job.line(), err, out)
		}
		n, err := answers(ctx, ctl, check.selector, check.begins)
		if err != nil {
			return fmt.Errorf("%s: %w; it said:\n%s", check.job.line(), err, out)
		}
		s.say("  %5.1f s  %d of %d answers are right: %s", time.Since(s.began).Seconds(), n, n, check.job.line())
	}
	return nil
}

// answers checks that the newest job has one task for each host that the
// selector matches, no other, and that each succeeded and said what it should.
func answers(ctx context.Context, ctl *client.Client, selector, begins string) (n int, err error) {
	wanted := map[string]bool{}
	for h, err := range ctl.Hosts(ctx, selector) {
		if err != nil {
			return 0, err
		}
		wanted[h.ID] = true
	}
	n = len(wanted)
	newest, err := newestJob(ctx, ctl)
	if err != nil {
		return 0, err
	}
	var wrong []error
	for t, err := range ctl.Tasks(ctx, newest.ID, client.TaskFilter{}) {
		if err != nil {
			return 0, err
		}
		if !wanted[t.Host] {
			wrong = append(wrong, fmt.Errorf("%s answered and should not have, or twice", t.Host))
		}
		delete(wanted, t.Host)
		var stdout bytes.Buffer
		if err := ctl.Output(ctx, newest.ID, t.Stdout, &stdout); err != nil {
			wrong = append(wrong, fmt.Errorf("the output of %s: %w", t.Host, err))
		}
		if t.State != "SUCCEEDED" || t.ExitCode != 0 || !strings.HasPrefix(stdout.String(), begins) {
			wrong = append(wrong, fmt.Errorf("%s is %s %s with status %d and said %.200q", t.Host, t.State, t.Reason, t.ExitCode, stdout.String()))
		}
	}
	for host := range wanted {
		wrong = append(wrong, fmt.Errorf("%s did not answer", host))
	}
	if n == 0 {
		wrong = append(wrong, errors.New("no host was meant"))
	}
	return n, errors.Join(wrong...)
}

func newestJob(ctx context.Context, ctl *client.Client) (client.Job, error) {
	for j, err := range ctl.Jobs(ctx, client.JobFilter{}) {
		return j, err
	}
	return client.Job{}, errors.New("the cluster knows no job")
}
