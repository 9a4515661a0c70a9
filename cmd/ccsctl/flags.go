package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// targetFlags say which hosts are meant.
type targetFlags struct {
	selector     string
	hosts, rooms []string
	hostsFile    string
	all          bool
}

func (t *targetFlags) add(f *pflag.FlagSet) {
	textVar(f, &t.selector, "selector", "l", "hosts by `LABELS`, such as room=bj01,app in (web,api),!canary")
	listVar(f, &t.hosts, "hosts", "hosts by `NAMES`: ids or IP addresses, separated by commas; every one must exist")
	textVar(f, &t.hostsFile, "hosts-file", "", "`FILE` with a host id or IP address a line, # begins a comment; - is stdin")
	listVar(f, &t.rooms, "room", "hosts of these `ROOMS`: the same as room=… in the selector")
	f.BoolVar(&t.all, "all", false, "all hosts")
}

// fill puts the targets into a request. The rooms follow the selector, so that
// the column of a fault is that of what was typed.
func (t *targetFlags) fill(r *client.Request, in input) error {
	hosts := t.hosts
	if t.hostsFile != "" {
		more, err := readHosts(t.hostsFile, in)
		if err != nil {
			return err
		}
		hosts = slices.Concat(hosts, more)
	}
	r.Selector, r.Hosts, r.All = t.condition(), hosts, t.all
	given := r.Selector != "" || len(r.Hosts) > 0
	switch {
	case t.all && given:
		return usagef("--all stands alone: leave it out, or leave out --selector, --hosts, --hosts-file and --room")
	case !t.all && !given:
		return usagef("no hosts are named: give --selector, --hosts, --hosts-file, --room or --all")
	}
	return nil
}

// condition is selector and rooms as one selector.
func (t *targetFlags) condition() string {
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
	return strings.Join(parts, ",")
}

// jobFlags are the control information of a job.
type jobFlags struct {
	rolloutFlags
	ttl, deadline         time.Duration
	class, account, note  string
	detach, detachOnPause bool
}

func (j *jobFlags) add(f *pflag.FlagSet) {
	j.rolloutFlags.add(f)
	timeVar(f, &j.ttl, "ttl", "`TIME` that a host may be away before it is too late to start, such as 1h (default the deadline)")
	j.deadline, j.class = client.DefaultDeadline, client.DefaultClass
	timeVar(f, &j.deadline, "deadline", "`TIME` after which the whole job ends")
	textVar(f, &j.class, "class", "", "`CLASS` of importance")
	textVar(f, &j.account, "account", "", "`ACCOUNT` that is charged")
	f.StringVar(&j.note, "note", "", "`TEXT` that says why, for those who look at the job later")
	f.BoolVar(&j.detach, "detach", false, "print the job id as soon as the job is durable, and do not wait")
	addDetachOnPause(f, &j.detachOnPause)
}

// addDetachOnPause is for what follows a job.
func addDetachOnPause(f *pflag.FlagSet, detach *bool) {
	f.BoolVar(detach, "detach-on-pause", false, "when the job pauses print its id and end with exit status 3, instead of waiting until somebody resumes")
}

// fill puts them into a request, whose command is in it already.
func (j *jobFlags) fill(r *client.Request) error {
	if err := j.rolloutFlags.fill(r); err != nil {
		return err
	}
	if j.detach && j.detachOnPause {
		return usagef("--detach does not wait for anything, so --detach-on-pause says nothing: give one of them")
	}
	switch {
	case j.ttl > j.deadline:
		return usagef("--ttl %s is longer than the deadline %s: no host could start after the job has ended", timeText(j.ttl), timeText(j.deadline))
	case r.RerunUntil > j.deadline:
		return usagef("--rerun-until %s is longer than the deadline %s: nothing could start after the job has ended", timeText(r.RerunUntil), timeText(j.deadline))
	}
	r.Class, r.Account, r.Note = j.class, j.account, j.note
	r.TTL, r.Deadline = j.ttl, j.deadline
	return nil
}

// plural is such as "1 host" or "8 hosts".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
