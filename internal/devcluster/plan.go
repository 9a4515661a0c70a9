package devcluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// Domain is the trust domain of every cluster built here.
const Domain = "demo.ccs"

// Tiers, as in the names of processes and as keys of Options.Settings.
const (
	tierEtcd       = "etcd"
	tierIssuer     = "issuer"
	tierAccess     = "access"
	tierScheduler  = "scheduler"
	tierAggregator = "aggregator"
	tierExecutor   = "executor"
	tierAgent      = "agent"
)

// part is one process of the plan.
type part struct {
	name, tier string
	pool, room string // where the tier has one
	host       host   // of an agent or executor
	// addresses by the config key that they are for: to listen on.
	addresses map[string]string
	// reached are addresses by which others come there, where they are others.
	reached map[string]string
}

// at is the address by which others reach it.
func (p part) at(key string) string {
	if address := p.reached[key]; address != "" {
		return address
	}
	return p.addresses[key]
}

// plan is everything that there will be, with all addresses, before anything
// is started.
type plan struct {
	options Options
	layout  layout
	parts   []part
}

// newPlan names the processes and reserves their addresses.
func newPlan(o Options, l layout, p *ports) (*plan, error) {
	pl := &plan{options: o, layout: l}
	pl.parts = append(pl.parts, part{name: "etcd", tier: tierEtcd}, part{name: "issuer", tier: tierIssuer})
	for i := range 2 {
		pl.parts = append(pl.parts, part{name: fmt.Sprintf("access-%d", i+1), tier: tierAccess})
	}
	for _, s := range []struct {
		pool string
		n    int
	}{{"standard", 2}, {"critical", 1}} {
		for i := range s.n {
			pl.parts = append(pl.parts, part{name: fmt.Sprintf("scheduler-%s-%d", s.pool, i+1), tier: tierScheduler, pool: s.pool})
		}
	}
	for _, room := range o.Rooms {
		for i := range o.AggregatorsPerRoom {
			pl.parts = append(pl.parts, part{name: fmt.Sprintf("aggregator-%s-%d", room, i+1), tier: tierAggregator, room: room})
		}
	}
	for _, h := range o.hosts() {
		pl.parts = append(pl.parts,
			part{name: "executor-" + h.id, tier: tierExecutor, host: h, room: h.room},
			part{name: "agent-" + h.id, tier: tierAgent, host: h, room: h.room})
	}
	for i := range pl.parts {
		part := &pl.parts[i]
		part.addresses = map[string]string{}
		for _, key := range reserves(part.tier) {
			addr, err := p.reserve()
			if err != nil {
				return nil, err
			}
			part.addresses[key] = addr
		}
		if o.Through == nil {
			continue
		}
		part.reached = map[string]string{}
		for _, l := range part.listeners() {
			part.reached[l.Key] = o.Through(l)
		}
	}
	return pl, nil
}

// names lists the processes of a tier, or of several, in order.
func (pl *plan) names(tiers ...string) (names []string) {
	for _, p := range pl.parts {
		if slices.Contains(tiers, p.tier) {
			names = append(names, p.name)
		}
	}
	return names
}

// addresses lists where others reach the processes of a tier (and of a room, if
// given) under a key.
func (pl *plan) addresses(tier, room, key string) (addrs []string) {
	for _, p := range pl.parts {
		if p.tier == tier && (room == "" || p.room == room) {
			addrs = append(addrs, p.at(key))
		}
	}
	return addrs
}

// hostNames lists agents and executors of the hosts for which keep says so.
func (pl *plan) hostNames(tier string, keep func(host) bool) (names []string) {
	for _, p := range pl.parts {
		if p.tier == tier && keep(p.host) {
			names = append(names, p.name)
		}
	}
	return names
}

// members writes the config files and says how to start each process.
func (pl *plan) members() (map[string]*member, error) {
	all := make(map[string]*member, len(pl.parts))
	for _, p := range pl.parts {
		if err := os.MkdirAll(pl.layout.state(p.name), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the state directory of %s: %w", p.name, err)
		}
		config := pl.layout.config(p.name)
		if err := writeConfig(config, pl.settings(p)); err != nil {
			return nil, err
		}
		binary := filepath.Join(pl.options.Bin, "ccs-"+p.tier)
		args := []string{"ccs-" + p.tier, "--config", config}
		if p.tier == tierEtcd {
			binary, args = pl.options.Self, []string{"devcluster", wordEtcd, config}
		}
		all[p.name] = &member{name: p.name, ready: pl.layout.ready(p.name), spec: guard.Spec{
			Name: p.name, Path: binary, Args: args, Env: environment(),
			Dir: pl.layout.state(p.name), Log: pl.layout.log(p.name),
		}}
	}
	return all, nil
}

// settings are the config of a process: what all have, what its tier has, and
// what the options lay over it.
func (pl *plan) settings(p part) map[string]any {
	s := map[string]any{
		"tls.cert":   pl.layout.cert(p.name),
		"tls.key":    pl.layout.key(p.name),
		"tls.ca":     pl.layout.pki("ca.crt"),
		"ready_file": pl.layout.ready(p.name),
		"log.level":  "info",
	}
	for key, addr := range p.addresses {
		s[key] = addr
	}
	if advertise[p.tier] && p.reached["listen"] != "" {
		s["advertise"] = p.reached["listen"]
	}
	pl.tierSettings(p, s)
	maps.Copy(s, pl.options.Settings[p.tier])
	maps.Copy(s, pl.options.Settings[p.name])
	return s
}

// environment is what a process of the cluster inherits: little, so that it
// behaves the same wherever the cluster is started.
func environment() (env []string) {
	for _, key := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "GOCOVERDIR", "GORACE"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// writeConfig writes settings, whose keys are nested by dots, as YAML. A nil
// value takes the key out.
func writeConfig(path string, settings map[string]any) error {
	tree := map[string]any{}
	for key, value := range settings {
		if value == nil {
			continue
		}
		at := tree
		parts := strings.Split(key, ".")
		for _, name := range parts[:len(parts)-1] {
			next, ok := at[name].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[name] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}
	raw, err := yaml.Marshal(tree)
	if err != nil {
		return fmt.Errorf("cannot write config %s: %w", path, err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return fmt.Errorf("cannot write config %s: %w", path, err)
	}
	return nil
}
