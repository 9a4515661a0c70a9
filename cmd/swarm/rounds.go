package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// round is one ping to all hosts.
type round struct {
	asked    int
	accepted time.Duration   // until the job was durable
	answers  []time.Duration // until each answer was seen, ascending
	bad      []string        // hosts that answered otherwise, with what they said
}

// question is what a round asks of every host.
func (f flags) question() client.Command {
	if f.command {
		return client.Command{Argv: []string{"true"}, Timeout: time.Minute}
	}
	return client.Command{Ping: true, Timeout: time.Minute}
}

// ask asks all hosts once, as a user does: resolve, sign, submit, watch.
func ask(ctx context.Context, c *client.Client, command client.Command, hosts []string) (round, error) {
	began := time.Now()
	r := round{asked: len(hosts)}
	j, err := c.Run(ctx, client.Request{
		Hosts: hosts, Note: "swarm", TTL: time.Minute, Deadline: time.Minute,
		Command: command,
	})
	if err != nil {
		return r, fmt.Errorf("the job was not accepted: %w", err)
	}
	r.accepted = time.Since(began)
	seen := make(map[string]bool, len(hosts))
	for u, err := range c.Watch(ctx, j.ID, 0) {
		if err != nil {
			return r, fmt.Errorf("watching job %s, with %d of %d answers: %w", j.ID, len(r.answers), r.asked, err)
		}
		now := time.Since(began)
		for _, t := range u.Tasks {
			switch {
			case !t.Settled() || seen[t.Host]:
			case t.State == "SUCCEEDED":
				seen[t.Host] = true
				r.answers = append(r.answers, now)
			default:
				seen[t.Host] = true
				r.bad = append(r.bad, fmt.Sprintf("%s: %s %s", t.Host, t.State, t.Reason))
			}
		}
	}
	return r, nil
}

// last is the time to the last answer.
func (r round) last() time.Duration { return r.quantile(1) }

// quantile is the time by which this share of the answers had come.
func (r round) quantile(q float64) time.Duration {
	if len(r.answers) == 0 {
		return 0
	}
	return r.answers[int(q*float64(len(r.answers)-1)+0.5)]
}

// whole says what is missing of an answer from every host.
func (r round) whole() error {
	if len(r.answers) == r.asked {
		return nil
	}
	return fmt.Errorf("%d of %d hosts answered; others said %q", len(r.answers), r.asked, r.bad[:min(5, len(r.bad))])
}

// askInRounds asks all hosts so many times, prints each, and fails unless every
// host answered every time. The first round warms up and is not returned.
func askInRounds(ctx context.Context, out io.Writer, c *client.Client, command client.Command, hosts []string, rounds int) (times []time.Duration, err error) {
	name := "command"
	if command.Ping {
		name = "ping"
	}
	var failed error
	for n := range rounds + 1 {
		r, err := ask(ctx, c, command, hosts)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n, err)
		}
		label := fmt.Sprintf("%s %d", name, n)
		if n == 0 {
			label = name + ", warming up"
		} else {
			times = append(times, r.last())
		}
		say(out, "  %-18s %d of %d answered; last %s, p50 %s, p99 %s, accepted after %s", label, len(r.answers), r.asked,
			ms(r.last()), ms(r.quantile(0.5)), ms(r.quantile(0.99)), ms(r.accepted))
		if err := r.whole(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("round %d: %w", n, err))
		}
	}
	return times, failed
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// say writes for a person; where nobody listens there is nothing to do.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
