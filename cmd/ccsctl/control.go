package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// Length of a request id, in characters.
const (
	minRequestID = 16
	maxRequestID = 64
)

// controlFlags are what every request to control a job has.
type controlFlags struct {
	request  string
	revision uint64
}

func (c *controlFlags) add(f *pflag.FlagSet, revision string) {
	f.Uint64Var(&c.revision, "expect-revision", 0, "refuse if the control revision is another `N` by now"+revision)
	textVar(f, &c.request, "request-id", "", "`ID` of a request that may have been heard already, to say it again: it has one effect (default a new one)")
}

// name gives a request that has none its id.
func (c *controlFlags) name() error {
	if c.request == "" {
		c.request = rand.Text()
	}
	if n := len(c.request); n < minRequestID || n > maxRequestID {
		return usagef("--request-id %q has %s: give the one that a request was said to have, or %d to %d of your own", c.request, plural(n, "character"), minRequestID, maxRequestID)
	}
	return nil
}

// again is the request as it can be said once more, with one effect.
func (c *controlFlags) again(verb string) string {
	if c.revision > 0 {
		verb += fmt.Sprintf(" --expect-revision %d", c.revision)
	}
	return "ccsctl " + verb + " --request-id " + c.request
}

// errCutOff is why nothing was heard of a request that was interrupted.
var errCutOff = errors.New("interrupted")

// fault is the error of a request to control a job.
func (c *controlFlags) fault(ctx context.Context, ctl *client.Client, id, verb string, err error) error {
	switch {
	case ctx.Err() != nil || statusOf(err) == exitUnknown:
		if ctx.Err() != nil {
			err = errCutOff
		}
		return &exit{exitUnknown, fmt.Sprintf("it is not known whether job %s has heard this: %v\nSay it again, which has one effect, or look:\n  %s\n  ccsctl job get %s", id, err, c.again(verb), id)}
	case client.CodeOf(err) == client.Conflict || client.CodeOf(err) == client.WrongState:
		return fmt.Errorf("%w\n%sLook at it with: ccsctl job get %s", err, nowText(ctx, ctl, id), id)
	}
	return hint(err, seeJobs)
}

// nowText says how a job is that a request did not find as it was expected;
// empty where that cannot be said.
func nowText(ctx context.Context, ctl *client.Client, id string) string {
	j, err := ctl.Job(ctx, id)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("Now it is %s, at control revision %d. ", stateText(j), j.ControlRevision)
}

// completeRequest completes the flags of controlFlags with nothing.
func completeRequest(cmd *cobra.Command) {
	complete(cmd, "expect-revision", nothing)
	complete(cmd, "request-id", nothing)
}
