package cctest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/client"
)

// tb is what a cluster needs of whom it is built for: a test, or a stage.
type tb interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	Logf(format string, args ...any)
	Cleanup(end func())
	TempDir() string
	Context() context.Context
}

// Open builds a cluster in real time, for examples: they have no testing.T, and
// no bubble. What would fail a test panics. Its access listens on loopback, where
// a program reaches it that knows only [Cluster.UserConfig]; everything else is in
// memory, as ever, so that no process of access can be restarted. Close it.
func Open(ctx context.Context, shape Shape) *Cluster {
	s := &stage{context: func() context.Context { return ctx }}
	return build(s, shape, true)
}

// Close ends a cluster of [Open], and panics if something happened that no test
// may see.
func (c *Cluster) Close() {
	s, ok := c.t.(*stage)
	if !ok {
		c.t.Fatal("a cluster of Start ends with its test")
	}
	if err := s.end(); err != nil {
		panic(err)
	}
}

// UserConfig is what the user has on disk: what any program needs to reach a
// cluster of [Open].
func (c *Cluster) UserConfig() client.Config {
	key := c.trust.path(User + ".key")
	config := client.Config{CertFile: c.trust.path(User + ".crt"), KeyFile: key, CAFile: c.trust.path("ca.crt"), SigningKey: key}
	for _, p := range c.tier(tierAccess) {
		config.Addresses = append(config.Addresses, p.addr[0])
	}
	return config
}

// openDoors gives access real addresses.
func (c *Cluster) openDoors() {
	c.t.Helper()
	c.doors = map[string]net.Listener{}
	for _, p := range c.tier(tierAccess) {
		lis, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", "127.0.0.1:0")
		must(c.t, err)
		c.doors[p.name], p.addr[0] = lis, lis.Addr().String()
	}
}

// stage stands in for a test.
type stage struct {
	context  func() context.Context // that of who opened the cluster, as a testing.T has its own
	cleanups []func()

	mu     sync.Mutex // protects what follows
	faults []error
}

func (s *stage) Helper()                  {}
func (s *stage) Context() context.Context { return s.context() }
func (s *stage) Cleanup(end func())       { s.cleanups = append(s.cleanups, end) }

func (s *stage) Error(args ...any) { s.add(fmt.Sprint(args...)) }

func (s *stage) Errorf(format string, args ...any) { s.add(fmt.Sprintf(format, args...)) }

func (s *stage) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (s *stage) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Logf is called when something failed, to say more about it.
func (s *stage) Logf(format string, args ...any) { s.add(fmt.Sprintf(format, args...)) }

func (s *stage) add(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, errors.New(fault))
}

func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.faults) > 0
}

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "cctest-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Error(err)
		}
	})
	return dir
}

// end runs the cleanups, the last first, and returns what went wrong.
func (s *stage) end() error {
	for _, end := range slices.Backward(s.cleanups) {
		end()
	}
	s.cleanups = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.faults...)
}
