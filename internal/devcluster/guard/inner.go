package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// service is the inner guard: parent of every process of the cluster.
type service struct {
	marker string
	sweep  func() error // kills all there is; set once

	mu       sync.Mutex
	children map[string]*child // the newest process of each name; under mu
	byPID    map[int]*child    // those not yet collected; under mu
	closing  bool              // nothing starts any more; under mu
}

type child struct {
	name string
	pid  int
	exit Exit
	done chan struct{} // closed after exit is set
}

// Start starts a process; its exit is asked for with Wait.
func (s *service) Start(spec Spec, pid *int) error {
	out, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the log of %s: %w", spec.Name, err)
	}
	defer out.Close() //nolint:errcheck // the process has its own
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	defer null.Close() //nolint:errcheck // read only

	// Under the lock from fork to registration, so that the reaper never
	// meets a child that it does not know.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errors.New("cannot start " + spec.Name + ": the cluster is being stopped")
	}
	if c := s.children[spec.Name]; c != nil && s.byPID[c.pid] == c {
		return fmt.Errorf("cannot start %s: it is running with pid %d", spec.Name, c.pid)
	}
	p, err := syscall.ForkExec(spec.Path, spec.Args, &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   append(slices.Clone(spec.Env), markerKey+"="+s.marker),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return fmt.Errorf("cannot start %s (%s): %w", spec.Name, spec.Path, err)
	}
	c := &child{name: spec.Name, pid: p, done: make(chan struct{})}
	s.children[spec.Name], s.byPID[p] = c, c
	*pid = p
	return nil
}

// Signal signals a process by its name. A child that is not collected keeps
// its pid, so the pid is safe under the lock.
func (s *service) Signal(req SignalRequest, _ *Nothing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.children[req.Name]
	if c == nil || s.byPID[c.pid] != c {
		return fmt.Errorf("cannot signal %s: it is not running", req.Name)
	}
	if err := unix.Kill(c.pid, req.Signal); err != nil {
		return fmt.Errorf("cannot signal %s: %w", req.Name, err)
	}
	return nil
}

// Wait comes back when the process has ended, or at once if it had.
func (s *service) Wait(name string, exit *Exit) error {
	s.mu.Lock()
	c := s.children[name]
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("cannot wait for %s: it was never started", name)
	}
	<-c.done
	*exit = c.exit
	return nil
}

// Shutdown asks stage by stage, then sweeps; afterwards nothing is left but
// the directory.
func (s *service) Shutdown(req ShutdownRequest, reply *ShutdownReply) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	budget := time.NewTimer(req.Grace)
	defer budget.Stop()
	for _, stage := range req.Stages {
		reply.Killed = append(reply.Killed, s.endStage(stage, budget.C)...)
	}
	return s.sweep()
}

// endStage returns the names that were alive when the budget was spent.
func (s *service) endStage(names []string, budget <-chan time.Time) (late []string) {
	asked := make([]*child, 0, len(names))
	s.mu.Lock()
	for _, name := range names {
		if c := s.children[name]; c != nil && s.byPID[c.pid] == c {
			_ = unix.Kill(c.pid, unix.SIGTERM)
			_ = unix.Kill(c.pid, unix.SIGCONT) // it may have been paused
			asked = append(asked, c)
		}
	}
	s.mu.Unlock()
	expired := false
	for _, c := range asked {
		if !expired {
			select {
			case <-c.done:
				continue
			case <-budget:
				expired = true
			}
		}
		select {
		case <-c.done:
		default:
			late = append(late, c.name)
		}
	}
	return late
}

// reap collects every child that has ended, adopted ones too.
func (s *service) reap() (childless bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		pid, status, none := waitAny()
		if pid == 0 {
			return none
		}
		c := s.byPID[pid]
		if c == nil {
			continue
		}
		delete(s.byPID, pid)
		c.exit = Exit{PID: pid, Code: status.ExitStatus()}
		if status.Signaled() {
			c.exit.Signal = status.Signal()
		}
		close(c.done)
	}
}

// runInner serves the front until it or the outer guard is gone, then sweeps.
func runInner(ctx context.Context, c Config) error {
	conn, err := net.FileConn(inherited(fdControl, "control"))
	if err != nil {
		return fmt.Errorf("cannot use the control connection: %w", err)
	}
	s := &service{marker: c.Marker, children: map[string]*child{}, byPID: map[int]*child{}}
	s.sweep = func() error {
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, sweepBudget)
		defer cancel()
		return sweep(ctx, s.marker, s.reap)
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Guard", s); err != nil {
		return fmt.Errorf("cannot register the guard's service: %w", err)
	}
	dead := make(chan os.Signal, 1)
	signal.Notify(dead, unix.SIGCHLD)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM)
	frontGone, outerGone := make(chan struct{}), make(chan struct{})
	// Both end with the process. The server itself would first wait for the
	// calls under way, and a Wait may be one of them.
	go server.ServeConn(&watched{Conn: conn, closed: frontGone})
	go func() { untilClosed(inherited(fdLife, "life")); close(outerGone) }()
	for {
		select {
		case <-dead:
			s.reap()
			continue
		case <-asked:
		case <-frontGone:
		case <-outerGone:
		}
		// The front, if there is one, learns first that the guard has ended,
		// not of each death as if it were news.
		_ = conn.Close()
		return errors.Join(s.sweep(), removeDir(c))
	}
}
