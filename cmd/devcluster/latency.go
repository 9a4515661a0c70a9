package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

const (
	// warmUps are rounds that are not counted: the first jobs open connections,
	// fill caches and prepare statements.
	warmUps = 5
	// mostJobs bounds --jobs: all of them stay in the store of the cluster.
	mostJobs = 10_000
	// jobBudget is far more than one job takes.
	jobBudget = 30 * time.Second
	// theHost is the only one.
	theHost = "h1"
)

// latencyFlags are those of the verb latency.
type latencyFlags struct {
	flags
	jobs   int
	strict bool
}

func latencyCommand(f *flags) *cobra.Command {
	l := latencyFlags{}
	cmd := &cobra.Command{
		Use: "latency", Short: "Time from the submission of a job to its start on an idle cluster, beside its floor", Args: cobra.NoArgs,
		Long: `Start a cluster of one host, submit jobs to it one after another, and print the
time from the call of Submit (with a job that is signed already) to the moment
the host says it started the command, to the moment the SDK's watch says that
the result is durable, and to the output in the client's hands. --hosts has no
effect here.

After each job the floor is measured: the same writes and fsyncs on the same
file system, the same number of gRPC calls over mutual TLS, and one start of
ccs-endprocess.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l.flags = *f
			return latency(cmd, l)
		},
	}
	cmd.Flags().IntVar(&l.jobs, "jobs", 200, "number of jobs that count")
	cmd.Flags().BoolVar(&l.strict, "strict", false, "fail when the budget does not hold")
	return cmd
}

// latency runs the bench in a cluster of its own.
func latency(cmd *cobra.Command, f latencyFlags) error {
	if f.jobs < 1 || f.jobs > mostJobs {
		return fmt.Errorf("cannot run %d jobs: --jobs must be 1 to %d", f.jobs, mostJobs)
	}
	f.hosts, f.rooms = 1, []string{"bj01"}
	s, err := open(cmd, f.flags)
	if err != nil {
		return err
	}
	rounds, err := s.latencyRounds(cmd.Context(), f.jobs)
	if err == nil {
		err = report(s.out, rounds, f.strict)
	}
	if cmd.Context().Err() != nil {
		err = errors.Join(errInterrupted, err)
	}
	return s.closeAfter(cmd.Context(), f.flags, err)
}

// round is what one job took, from the call of Submit, and its floor.
type round struct {
	accepted, started, settled, output time.Duration

	floor floorTimes
}

// latencyRounds runs the jobs; those that warm up are not returned.
func (s *session) latencyRounds(ctx context.Context, jobs int) (rounds []round, err error) {
	ctl, err := s.cluster.Client()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ctl.Close()) }()
	floor, err := newFloor(s.cluster.Dir(), s.bin)
	if err != nil {
		return nil, fmt.Errorf("cannot measure the floor: %w", err)
	}
	defer func() { err = errors.Join(err, floor.close()) }()
	for n := range warmUps + jobs {
		r, err := oneJob(ctx, ctl)
		if err != nil {
			return nil, fmt.Errorf("job %d: %w", n+1, err)
		}
		if r.floor, err = floor.measure(ctx); err != nil {
			return nil, fmt.Errorf("cannot measure the floor: %w", err)
		}
		if n >= warmUps {
			rounds = append(rounds, r)
		}
	}
	return rounds, nil
}

// oneJob runs one command on the host and times it as a client sees it. Host
// and client have the same clock.
func oneJob(ctx context.Context, ctl *client.Client) (r round, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, jobBudget, fmt.Errorf("not done within %s", jobBudget))
	defer cancel()
	request := client.Request{
		Hosts: []string{theHost}, TTL: time.Minute, Deadline: time.Minute, Note: "latency",
		Command: client.Command{Argv: []string{"echo", "here"}},
	}
	targets, err := ctl.Resolve(ctx, request)
	if err != nil {
		return r, err
	}
	signed, err := ctl.Sign(request, targets)
	if err != nil {
		return r, err
	}
	began := time.Now()
	if _, err := ctl.Submit(ctx, signed); err != nil {
		return r, err
	}
	r.accepted = time.Since(began)
	task, err := awaitOutcome(ctx, ctl, signed.ID)
	if err != nil {
		return r, err
	}
	r.settled = time.Since(began)
	if task.State != "SUCCEEDED" {
		return r, fmt.Errorf("job %s ended %s %s: %s", signed.ID, task.State, task.Reason, task.Message)
	}
	if err := ctl.Output(ctx, signed.ID, task.Stdout, io.Discard); err != nil {
		return r, err
	}
	r.output = time.Since(began)
	r.started = task.StartedAt.Sub(began)
	return r, nil
}

// awaitOutcome watches a job until its one task has an outcome, which is then
// durable: nothing is told before its commit.
func awaitOutcome(ctx context.Context, ctl *client.Client, id string) (task client.Task, err error) {
	for u, err := range ctl.Watch(ctx, id, 0) {
		if err != nil {
			return task, err
		}
		for _, t := range u.Tasks {
			if t.Settled() {
				return t, nil
			}
		}
	}
	return task, fmt.Errorf("the watch of job %s ended without an outcome", id)
}
