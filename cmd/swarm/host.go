package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// swarm is the hosts of one run.
type swarm struct {
	hosts     []*host
	dir       string // of their keys and certificates
	enrolling chan struct{}
	enrolled  atomic.Int64
	welcomed  atomic.Int64

	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex // protects what follows
	failed  error
}

// host is one of them.
type host struct {
	name  string
	agent *agent.Agent
}

// newSwarm makes the hosts, spread over the rooms. Their names are new in every
// run: a host that is known under another key is refused.
func newSwarm(at *site, n int, log *slog.Logger) (*swarm, error) {
	dir, err := os.MkdirTemp(stateRoot(), "ccs-swarm-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a directory for the hosts' keys: %w", err)
	}
	s := &swarm{dir: dir, enrolling: make(chan struct{}, connecting)}
	run := fmt.Sprintf("s%06x", rand.IntN(1<<24)) //nolint:gosec // a name, no secret
	for i := range n {
		h, err := s.newHost(at, at.rooms[i%len(at.rooms)], i, fmt.Sprintf("%s-%05d", run, i), log)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s.hosts = append(s.hosts, h)
	}
	return s, nil
}

// stateRoot is a file system in memory where there is one: syncing thousands of
// certificates to a disk is no part of what is measured.
func stateRoot() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return ""
}

func (s *swarm) newHost(at *site, in room, number int, name string, log *slog.Logger) (*host, error) {
	dial := sourceDialer(number)
	token := filepath.Join(s.dir, in.name+".token")
	if err := os.WriteFile(token, []byte(in.token), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write a join token: %w", err)
	}
	cfg := agent.Config{
		Domain: devcluster.Domain, Host: name, Aggregators: in.aggregators,
		Issuer: at.issuer, IssuerCA: at.ca, JoinTokenFile: token,
	}
	a, err := agent.New(cfg, agent.Deps{
		Log: log, Executor: fakehost.New(nil), State: &agent.MemoryState{}, Operator: at.operator, Dial: dial,
		Facts: map[string]string{"swarm": "true"},
		Enrol: func(ctx context.Context, incarnation fleet.Incarnation) (c agent.Credential, err error) {
			select {
			case s.enrolling <- struct{}{}:
				defer func() { <-s.enrolling }()
			case <-ctx.Done():
				return agent.Credential{}, context.Cause(ctx)
			}
			files, err := agent.OpenFileState(filepath.Join(s.dir, name))
			if err != nil {
				return agent.Credential{}, err
			}
			defer func() { err = errors.Join(err, files.Close()) }()
			if c, err = (agent.Enrolment{Config: cfg, State: files, Log: log, Dial: dial}).Credential(ctx, incarnation); err == nil {
				s.enrolled.Add(1)
			}
			return c, err
		},
	})
	return &host{name: name, agent: a}, err
}

// start lets all hosts run.
func (s *swarm) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	for _, h := range s.hosts {
		s.running.Go(func() {
			if err := h.agent.Run(ctx); err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.failed = fmt.Errorf("the agent of %s has ended: %w", h.name, err)
			}
		})
		s.running.Go(func() {
			select {
			case <-h.agent.Ready():
				s.welcomed.Add(1)
			case <-ctx.Done():
			}
		})
	}
}

// stop ends all hosts and removes what they left.
func (s *swarm) stop() error {
	s.cancel()
	s.running.Wait()
	return errors.Join(s.fault(), os.RemoveAll(s.dir))
}

func (s *swarm) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *swarm) names() []string {
	names := make([]string, len(s.hosts))
	for i, h := range s.hosts {
		names[i] = h.name
	}
	return names
}

// awaitAll waits until a count has reached all hosts.
func (s *swarm) awaitAll(ctx context.Context, count *atomic.Int64, what string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n := count.Load()
		if int(n) == len(s.hosts) {
			return nil
		}
		if err := s.fault(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d hosts are %s: %w", n, len(s.hosts), what, context.Cause(ctx))
		}
	}
}

// agentLog is where the agents' words go.
func agentLog(verbose bool) *slog.Logger {
	if verbose {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}
