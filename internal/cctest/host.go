package cctest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Doing is what commands do on a host: by default they end at once, with 0.
type Doing struct {
	Takes          time.Duration // negative: for ever
	ExitCode       int32
	Stdout, Stderr []byte
	NoFile         bool // there is no such program
}

// Host is one host: an agent, the executor below it, and a disk. A witness
// stands beside it and counts every start.
type Host struct {
	cluster  *Cluster
	name     string
	room     string
	ip       string
	executor *fakehost.Host
	state    *agent.MemoryState // what the agent keeps; it outlives the agent

	mu     sync.Mutex // protects what follows
	doing  Doing
	plays  fakehost.Play // nil: doing
	starts map[start]int
}

// start names one start of a command.
type start struct {
	command string
	attempt uint32
}

// addHost makes a host and the operator's token for it.
func (c *Cluster) addHost(n int) *Host {
	h := &Host{
		cluster: c, name: hostName(n), room: c.shape.room(n), ip: fmt.Sprintf("10.1.%d.%d", n/250, 1+n%250),
		state: &agent.MemoryState{}, starts: map[start]int{},
	}
	h.executor = fakehost.New(h.play)
	labels := map[string]string{"app": []string{"web", "api", "db"}[n%3]}
	c.trust.admit(h.name, h.room, labels)
	c.hosts[h.name] = h
	return h
}

// agent is one life of the host's agent.
func (h *Host) agent(p *process) part {
	c := h.cluster
	p.dial = c.net.dialer(p.name, h.ip)
	cfg := agent.Config{
		Domain: Domain, Host: h.name, Address: h.ip,
		Issuer: c.processes[tierIssuer].addr[0], IssuerCA: c.trust.path("ca.crt"),
		JoinTokenFile: c.trust.path(h.name + ".token"),
	}
	for _, a := range c.tier(tierAggregator) {
		if strings.HasPrefix(a.name, "aggregator-"+h.room+"-") {
			cfg.Aggregators = append(cfg.Aggregators, a.addr[1])
		}
	}
	must(c.t, os.WriteFile(cfg.JoinTokenFile, []byte(c.trust.tokens[h.name]), 0o600))
	x, err := agent.New(cfg, agent.Deps{
		Log: c.log(p.name), Executor: h.executor, State: h.state, Operator: c.trust.operatorKey(), Dial: p.dial,
		Facts: map[string]string{"os": "linux"}, Telemetry: c.telemetry(p.name),
		Enrol: func(ctx context.Context, incarnation fleet.Incarnation) (credential agent.Credential, err error) {
			files, err := agent.OpenFileState(c.trust.path("host-" + h.name))
			if err != nil {
				return agent.Credential{}, err
			}
			defer func() { err = errors.Join(err, files.Close()) }()
			return agent.Enrolment{Config: cfg, State: files, Log: c.log(p.name), Dial: p.dial}.Credential(ctx, incarnation)
		},
	})
	must(c.t, err)
	return part{x.Run, x.Ready()}
}

// play is what a command does; the witness sees that it starts.
func (h *Host) play(o wire.StartOrder) fakehost.Act {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.starts[start{o.Spec.ID, o.Attempt}]++
	if h.plays != nil {
		return h.plays(o)
	}
	d := h.doing
	return fakehost.Act{For: d.Takes, Code: d.ExitCode, Stdout: d.Stdout, Stderr: d.Stderr, NoFile: d.NoFile}
}

// check is the witness's word: no attempt was started twice.
func (h *Host) check() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s, n := range h.starts {
		if n > 1 {
			h.cluster.t.Errorf("%s started attempt %d of %s %d times", h.name, s.attempt, s.command, n)
		}
	}
}

// Host is a host by its name.
func (c *Cluster) Host(name string) *Host {
	c.t.Helper()
	h := c.hosts[name]
	if h == nil {
		c.t.Fatalf("the cluster has no host %q; it has %v", name, slices.Sorted(maps.Keys(c.hosts)))
	}
	return h
}

// Behaves says what commands do that start from now on.
func (h *Host) Behaves(d Doing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doing, h.plays = d, nil
}

// Plays says what each command does that starts from now on.
func (h *Host) Plays(play fakehost.Play) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plays = play
}

// Doing is what commands do on this host.
func (h *Host) Doing() Doing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doing
}

// Starts is how many processes were started here, of all jobs.
func (h *Host) Starts() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.starts {
		n += times
	}
	return n
}

// Away takes the host off the network, and its connections break at once; what
// runs there goes on. With [Cluster.Unplug] on its agent nobody would notice.
func (h *Host) Away() { h.cluster.net.setDead("agent-"+h.name, true) }

// Back gives the host its network back.
func (h *Host) Back() { h.cluster.net.setDead("agent-"+h.name, false) }

// Wipe loses the disk of the executor, with all that runs: the host comes back
// with a new incarnation, and the key that it had.
func (h *Host) Wipe() { h.executor.Wipe() }

// Executor is the executor of the host, for what has no verb here.
func (h *Host) Executor() *fakehost.Host { return h.executor }
