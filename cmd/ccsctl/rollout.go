package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// What --on-failure takes.
const (
	onFailurePause = "pause"
	onFailureAbort = "abort"
)

// maxSteps is how many batch sizes, and pause points of a kind, a job may have.
const maxSteps = 100

// defaultWaitOffline is the servers'.
const defaultWaitOffline = 30 * time.Second

// rolloutFlags say in which order a job goes to its hosts, how many at a time,
// and what stops it.
type rolloutFlags struct {
	flags                       *pflag.FlagSet
	concurrency, batch          string
	pauseAfter, pauseAfterBatch string
	maxFailures, onFailure      string
	tolerate                    []string
	spread                      bool
	waitOffline                 time.Duration
}

func (c *rolloutFlags) add(f *pflag.FlagSet) {
	c.flags = f
	textVar(f, &c.concurrency, "concurrency", "", "hosts at work at the same time, `N` or N% of the targets (default all)")
	textVar(f, &c.batch, "batch", "", "`SIZES` of batches, such as 1,10,25%; the last repeats; one begins when the one before has settled (default one of all)")
	f.BoolVar(&c.spread, "spread", false, "take a host of each room in turn, instead of room after room")
	textVar(f, &c.pauseAfter, "pause-after", "", "`POINTS` to pause at until somebody resumes: after so many hosts are done, such as 1,100")
	textVar(f, &c.pauseAfterBatch, "pause-after-batch", "", "`POINTS` to pause at: after these batches are done, such as 1,3; only with --batch")
	textVar(f, &c.maxFailures, "max-failures", "", "bad outcomes that are tolerated, `N` or N% of the targets; 0: the first one stops the job (default any number)")
	textVar(f, &c.onFailure, "on-failure", "", "`ACTION` when there are more: pause, or abort, which skips the rest (default pause)")
	listVar(f, &c.tolerate, "tolerate", "`OUTCOMES` that are not bad, such as expired,refused; only with --max-failures")
	c.waitOffline = defaultWaitOffline
	timeVar(f, &c.waitOffline, "wait-offline", "`TIME` that a batch waits for hosts that are away, before the next one begins without them; only with --batch")
}

// complete completes them; the flags are on the command.
func (c *rolloutFlags) complete(cmd *cobra.Command) {
	for _, free := range []string{"concurrency", "batch", "pause-after", "pause-after-batch", "max-failures", "wait-offline"} {
		complete(cmd, free, nothing)
	}
	complete(cmd, "on-failure", fixed(onFailurePause, onFailureAbort))
	complete(cmd, "tolerate", words(lower(canBeBad)))
}

func (c *rolloutFlags) fill(r *client.Request) (err error) {
	if c.concurrency != "" {
		if r.Concurrency, err = amount("concurrency", c.concurrency); err != nil {
			return err
		}
	}
	if r.Batches, err = amounts("batch", c.batch); err != nil {
		return err
	}
	if r.PauseAfter, err = points("pause-after", c.pauseAfter); err != nil {
		return err
	}
	if r.PauseAfterBatches, err = points("pause-after-batch", c.pauseAfterBatch); err != nil {
		return err
	}
	if r.MaxFailures, err = budget("max-failures", c.maxFailures); err != nil {
		return err
	}
	if c.spread {
		r.Order = client.SpreadRooms
	}
	if err := c.fillBarrier(r); err != nil {
		return err
	}
	return c.fillFailure(r)
}

// fillBarrier is what goes with batches.
func (c *rolloutFlags) fillBarrier(r *client.Request) error {
	waits := c.flags.Changed("wait-offline")
	switch {
	case max(len(r.Batches), len(r.PauseAfter), len(r.PauseAfterBatches)) > maxSteps:
		return usagef("a job has at most %d batch sizes, the last of which repeats, and %d pause points of a kind: give fewer", maxSteps, maxSteps)
	case len(r.Batches) == 0 && len(r.PauseAfterBatches) > 0:
		return usagef("--pause-after-batch says nothing without batches: give their sizes with --batch, or use --pause-after")
	case len(r.Batches) == 0 && waits:
		return usagef("--wait-offline says how long a batch waits, and there are none: give their sizes with --batch, or leave it out")
	case waits:
		r.WaitOffline = c.waitOffline
	}
	return nil
}

// fillFailure is what goes with a budget.
func (c *rolloutFlags) fillFailure(r *client.Request) error {
	switch {
	case c.onFailure != "" && c.onFailure != onFailurePause && c.onFailure != onFailureAbort:
		return usagef("--on-failure %s: give pause or abort", c.onFailure)
	case r.MaxFailures == nil && c.onFailure != "":
		return usagef("--on-failure says nothing without --max-failures: give how many bad outcomes are tolerated")
	case r.MaxFailures == nil && len(c.tolerate) > 0:
		return usagef("--tolerate says nothing without --max-failures: give how many bad outcomes are tolerated")
	case c.onFailure == onFailureAbort:
		r.OnFailure = client.AbortOnFailure
	}
	for _, word := range c.tolerate {
		state := strings.ToUpper(strings.TrimSpace(word))
		if !slices.Contains(canBeBad, state) {
			return usagef("--tolerate %q is no bad outcome: give some of %s", word, strings.Join(lower(canBeBad), ", "))
		}
		r.Tolerated = append(r.Tolerated, state)
	}
	if slices.Contains(r.Tolerated, "UNKNOWN") && !slices.Contains(r.Tolerated, "FAILED") {
		return usagef("--tolerate unknown: that may be a failure that nobody heard of, so it is tolerated only together with failed: give unknown,failed, or leave it out")
	}
	return nil
}
