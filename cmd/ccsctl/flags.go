package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// targetFlags say which hosts are meant.
type targetFlags struct {
	selector     string
	hosts, rooms []string
	all          bool
}

func (t *targetFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&t.selector, "selector", "l", "", "hosts by `LABELS`, such as room=bj01,app in (web,api),!canary")
	f.StringSliceVar(&t.hosts, "hosts", nil, "hosts by `NAMES`: ids or IP addresses, separated by commas; every one must exist")
	f.StringSliceVar(&t.rooms, "room", nil, "hosts of these `ROOMS`: the same as room=… in the selector")
	f.BoolVar(&t.all, "all", false, "all hosts")
}

// fill puts the targets into a request. The rooms follow the selector, so that
// the column of a fault is that of what was typed.
func (t *targetFlags) fill(r *client.Request) error {
	var parts []string
	if t.selector != "" {
		parts = append(parts, t.selector)
	}
	switch len(t.rooms) {
	case 0:
	case 1:
		parts = append(parts, "room="+t.rooms[0])
	default:
		parts = append(parts, "room in ("+strings.Join(t.rooms, ",")+")")
	}
	r.Selector, r.Hosts, r.All = strings.Join(parts, ","), t.hosts, t.all
	given := r.Selector != "" || len(r.Hosts) > 0
	switch {
	case t.all && given:
		return usagef("--all stands alone: leave it out, or leave out --selector, --hosts and --room")
	case !t.all && !given:
		return usagef("no hosts are named: give --selector, --hosts, --room or --all")
	}
	return nil
}

// jobFlags are the control information of a job.
type jobFlags struct {
	concurrency            string
	timeout, ttl, deadline time.Duration
	class, account, note   string
	detach                 bool
}

func (j *jobFlags) add(f *pflag.FlagSet) {
	f.StringVar(&j.concurrency, "concurrency", "", "hosts at work at the same time, `N` or N% of the targets (default all)")
	f.DurationVar(&j.timeout, "timeout", 0, "time that the command may run on a host, such as 5m; then its whole tree is killed (default none)")
	f.DurationVar(&j.ttl, "ttl", 0, "how long a host may be away before it is too late to start (default the deadline)")
	f.DurationVar(&j.deadline, "deadline", client.DefaultDeadline, "time after which the whole job ends")
	f.StringVar(&j.class, "class", client.DefaultClass, "class of importance")
	f.StringVar(&j.account, "account", "", "account that is charged")
	f.StringVar(&j.note, "note", "", "why, for those who look at the job later")
	f.BoolVar(&j.detach, "detach", false, "print the job id as soon as the job is durable, and do not wait")
}

func (j *jobFlags) fill(r *client.Request) (err error) {
	if r.Concurrency, err = amount(j.concurrency); err != nil {
		return err
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"timeout", j.timeout}, {"ttl", j.ttl}, {"deadline", j.deadline}} {
		if d.value < 0 {
			return usagef("--%s %s is negative: give a time such as 90s or 1h30m", d.flag, d.value)
		}
	}
	r.Class, r.Account, r.Note = j.class, j.account, j.note
	r.TTL, r.Deadline, r.Command.Timeout = j.ttl, j.deadline, j.timeout
	return nil
}

// amount reads N or N%.
func amount(text string) (client.Amount, error) {
	if text == "" {
		return client.Amount{}, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || percent && n > 100 {
		return client.Amount{}, usagef("--concurrency %q is no amount: give a number of hosts from 1, or 1%% to 100%%", text)
	}
	if percent {
		return client.Amount{Percent: uint32(n)}, nil
	}
	return client.Amount{Count: uint32(n)}, nil
}

// plural is such as "1 host" or "8 hosts".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
