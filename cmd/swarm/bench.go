package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// bench is one run of all of it.
type bench struct {
	flags
	out io.Writer
}

func (b bench) run(ctx context.Context) (err error) {
	say(b.out, "Swarm of %d hosts.", b.hosts)
	before, err := b.floor(ctx)
	if err != nil {
		return err
	}
	dir, closing, err := b.cluster(ctx, func(text string) { say(b.out, "  %s", text) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing(context.WithoutCancel(ctx))) }()
	site, err := readSite(dir, b.config)
	if err != nil {
		return err
	}
	c, err := site.openClient()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	times, err := b.measure(ctx, site, c)
	if err != nil {
		return err
	}
	after, err := b.floor(ctx) // again, for a machine that has become busier or quieter
	if err != nil {
		return err
	}
	floor := median(append(before, after...))
	say(b.out, "Median of %d rounds with %d hosts: %s to the last answer, %.1f times the floor of %s.",
		len(times), b.hosts, ms(median(times)), float64(median(times))/float64(floor), ms(floor))
	return nil
}

// floor measures the floor and prints its rounds; the first warms up and is not
// returned.
func (b bench) floor(ctx context.Context) ([]time.Duration, error) {
	times, err := measureFloor(ctx, b.hosts, b.rounds+1)
	if err != nil {
		return nil, fmt.Errorf("cannot measure the floor: %w", err)
	}
	for n, t := range times {
		label := fmt.Sprintf("floor %d", n)
		if n == 0 {
			label = "floor, warming up"
		}
		say(b.out, "  %-18s %d of %d answered; last %s", label, b.hosts, b.hosts, ms(t))
	}
	return times[1:], nil
}

// measure runs the hosts, asks them, and returns the times to the last answer.
func (b bench) measure(ctx context.Context, site *site, c *client.Client) (times []time.Duration, err error) {
	s, err := newSwarm(site, b.hosts, agentLog(b.verbose))
	if err != nil {
		return nil, err
	}
	began := time.Now()
	s.start(ctx)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.awaitAll(ctx, &s.enrolled, "enrolled"); err != nil {
		return nil, err
	}
	say(b.out, "  %-18s %d of %d after %s", "enrolled", b.hosts, b.hosts, ms(time.Since(began)))
	if err := s.awaitAll(ctx, &s.welcomed, "attached"); err != nil {
		return nil, err
	}
	say(b.out, "  %-18s %d of %d after %s", "attached", b.hosts, b.hosts, ms(time.Since(began)))
	if err := awaitAttached(ctx, c, s.names()); err != nil {
		return nil, err
	}
	return askInRounds(ctx, b.out, c, b.question(), s.names(), b.rounds)
}

// everySchedulerLooks is how long it takes until all schedulers have read what
// one of them has written to the host table, and a little more.
const everySchedulerLooks = 1500 * time.Millisecond

// awaitAttached waits until access says that all of these are attached, and
// every scheduler knows it.
func awaitAttached(ctx context.Context, c *client.Client, names []string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var first time.Time // when all were seen attached
	for {
		missing := map[string]bool{}
		for _, name := range names {
			missing[name] = true
		}
		var failed error
		for h, err := range c.Hosts(ctx, "") {
			if err != nil {
				failed = err
				break
			}
			if h.Attached {
				delete(missing, h.ID)
			}
		}
		if failed != nil || len(missing) > 0 {
			first = time.Time{}
		} else if first.IsZero() {
			first = time.Now()
		} else if time.Since(first) > everySchedulerLooks {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("access does not see %d of %d hosts attached: %w", len(missing), len(names), errors.Join(context.Cause(ctx), failed))
		}
	}
}
