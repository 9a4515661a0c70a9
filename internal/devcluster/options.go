package devcluster

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"
)

// Options say what to build. The zero value of everything but Bin is usable.
type Options struct {
	// Bin is the directory of the built binaries.
	Bin string
	// Self is the binary that can be guard and etcd (see Serve); empty: Bin/devcluster.
	Self string
	// Dir is the root of all state; it must be empty, missing, or left over
	// from a devcluster. Empty: a new directory under the system's temporary one.
	Dir string
	// Listen is the IPv4 address of this machine on which all processes listen;
	// empty: 127.0.0.1. Another one lets hosts of other machines join.
	Listen string
	// Store is the store.dsn of all schedulers; empty: a SQLite file in Dir.
	Store string
	// Rooms, 1 or more; empty: bj01 and sh01. AggregatorsPerRoom 0: 2.
	Rooms              []string
	AggregatorsPerRoom int
	// Hosts are spread over the rooms in order; 0: 8, negative: none. They are
	// called h1, h2, …
	Hosts int
	// Away are hosts that have all they need and are not started: see StartHost.
	Away []string
	// Settings are laid over the config of a process, by its name or its
	// tier's ("agent"); keys as in the config file, nested by dots.
	Settings map[string]map[string]any
	// Through gives the address by which others reach a listener, such as that of
	// a proxy before it; nil, or where it gives none: the listener's own.
	Through func(l Listener) (address string)
	// Keep leaves the directory behind for whoever looks for a fault.
	Keep bool
	// Grace is the budget for a stop in good order; 0: 5 s.
	Grace time.Duration
	// Progress is told what has been done; nil: nobody. Called one at a time.
	Progress func(text string)
}

// withDefaults fills in what was left out and refuses what cannot be built.
func (o Options) withDefaults() (Options, error) {
	var faults []error
	if o.Bin == "" {
		faults = append(faults, errors.New("no directory of binaries is given"))
	}
	if o.Self == "" {
		o.Self = filepath.Join(o.Bin, "devcluster")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(o.Listen); err != nil || !ip.Is4() || ip.IsUnspecified() {
		faults = append(faults, fmt.Errorf("cannot listen on %q: give an IPv4 address of this machine that others dial, such as 10.1.2.3", o.Listen))
	}
	if len(o.Rooms) == 0 {
		o.Rooms = []string{"bj01", "sh01"}
	}
	if o.AggregatorsPerRoom == 0 {
		o.AggregatorsPerRoom = 2
	}
	if o.Hosts == 0 {
		o.Hosts = 8
	}
	o.Hosts = max(o.Hosts, 0)
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	hosts := o.hosts()
	for _, away := range o.Away {
		if !slices.ContainsFunc(hosts, func(h host) bool { return h.id == away }) {
			faults = append(faults, fmt.Errorf("host %q is to stay away and is none of the %d hosts", away, o.Hosts))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return o, fmt.Errorf("cannot build a cluster: %w", err)
	}
	return o, nil
}

// host is one host of the cluster.
type host struct {
	id, room string
	labels   map[string]string
}

// hosts lists the hosts in order: the first of them in the first room, and so
// on, with labels that make selectors worth trying.
func (o Options) hosts() []host {
	all := make([]host, 0, o.Hosts)
	apps := []string{"web", "web", "api", "db"}
	for i := range o.Hosts {
		labels := map[string]string{"app": apps[i%len(apps)], "env": "prod"}
		if i%4 == 0 {
			labels["env"], labels["canary"] = "canary", "true"
		}
		all = append(all, host{
			id: fmt.Sprintf("h%d", i+1), room: o.Rooms[i*len(o.Rooms)/o.Hosts], labels: labels,
		})
	}
	return all
}
