package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Guard is the front's handle on its two guard processes. Safe for concurrent use.
type Guard struct {
	config  Config
	client  *rpc.Client
	outer   *exec.Cmd
	life    *os.File      // held open as long as the front lives
	lock    *os.File      // a second handle on the lock: free once both guards have ended
	ended   chan struct{} // closed when the outer guard has ended; outerErr is set
	outErr  error
	control chan struct{} // closed when the inner guard has hung up
}

// Options say how to start the guards.
type Options struct {
	Config
	// Binary that calls Main when IsGuard; Log takes what the guards have to say.
	Binary, Log string
	// Lock is the open file of the directory with a flock on it. Start takes
	// it over and the guards hold it, until the last of them is gone.
	Lock *os.File
}

// Start starts both guards. The context bounds the start alone.
func Start(ctx context.Context, o Options) (*Guard, error) {
	defer o.Lock.Close() //nolint:errcheck // the guards have it
	lock, err := os.Open(o.Lock.Name())
	if err != nil {
		return nil, fmt.Errorf("cannot open the lock again: %w", err)
	}
	g := &Guard{config: o.Config, lock: lock, ended: make(chan struct{}), control: make(chan struct{})}
	if err := g.spawn(o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	go func() { // ends with the outer guard, which ends with the front
		defer close(g.ended)
		g.outErr = g.outer.Wait()
	}()
	// A first call shows that the inner guard serves.
	if _, err := call[Nothing](ctx, g, "Guard.Signal", SignalRequest{}); err != nil && !isServerError(err) {
		return nil, errors.Join(fmt.Errorf("cannot reach the guard: %w", err), g.Close(ctx))
	}
	return g, nil
}

// spawn starts the outer guard with the three files that it inherits.
func (g *Guard) spawn(o Options) error {
	mine, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close() //nolint:errcheck // the guard has its own
	held, life, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("cannot make a pipe: %w", err), mine.Close())
	}
	defer held.Close() //nolint:errcheck // the guard has its own
	g.life = life
	out, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot open the guards' log: %w", err), mine.Close(), life.Close())
	}
	defer out.Close() //nolint:errcheck // the guard has its own
	raw, err := json.Marshal(o.Config)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write the guards' config: %w", err), mine.Close(), life.Close())
	}
	g.outer = exec.Command(o.Binary, wordOuter, string(raw))
	g.outer.Stdout, g.outer.Stderr = out, out
	g.outer.ExtraFiles = []*os.File{theirs, held, o.Lock}
	// A session of its own: Ctrl-C at the terminal is for the front.
	g.outer.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.outer.Start(); err != nil {
		return errors.Join(fmt.Errorf("cannot start the guard: %w", err), mine.Close(), life.Close())
	}
	g.client = rpc.NewClient(&watched{Conn: mine, closed: g.control})
	return nil
}

// Start starts a process and returns its pid.
func (g *Guard) Start(ctx context.Context, spec Spec) (pid int, err error) {
	reply, err := call[int](ctx, g, "Guard.Start", spec)
	return *reply, err
}

// Signal signals a running process by name.
func (g *Guard) Signal(ctx context.Context, name string, sig syscall.Signal) error {
	_, err := call[Nothing](ctx, g, "Guard.Signal", SignalRequest{Name: name, Signal: sig})
	return err
}

// Wait comes back when the newest process of that name has ended.
func (g *Guard) Wait(ctx context.Context, name string) (Exit, error) {
	reply, err := call[Exit](ctx, g, "Guard.Wait", name)
	return *reply, err
}

// Gone is closed when the inner guard has hung up: it was killed, or the
// cluster has been shut down. Everything is being swept then.
func (g *Guard) Gone() <-chan struct{} { return g.control }

// PID is the outer guard's process id.
func (g *Guard) PID() int { return g.outer.Process.Pid }

// Shutdown ends everything in good order and returns the names that had to be
// killed. Close must still be called.
func (g *Guard) Shutdown(ctx context.Context, stages [][]string, grace time.Duration) (killed []string, err error) {
	reply, err := call[ShutdownReply](ctx, g, "Guard.Shutdown", ShutdownRequest{Stages: stages, Grace: grace})
	return reply.Killed, err
}

// Close lets go of the guards and comes back when both have ended, and with
// them everything they guarded. It works whichever of them was killed before.
func (g *Guard) Close(ctx context.Context) error {
	_ = g.client.Close() // already closed where the guard went first
	_ = g.life.Close()
	select {
	case <-g.ended:
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for the guard (pid %d) to clean up: %w", g.PID(), ctx.Err())
	}
	defer g.lock.Close() //nolint:errcheck // read only
	var exit *exec.ExitError
	if errors.As(g.outErr, &exit) && exit.Exited() {
		return fmt.Errorf("the guard could not clean up: %w", g.outErr)
	}
	if g.outErr == nil {
		return nil
	}
	// Somebody killed the outer guard. The inner one sweeps then; should it
	// be gone as well, this does. Doing it twice is harmless.
	return errors.Join(g.awaitUnlock(ctx), sweepMarked(ctx, g.config.Marker), removeDir(g.config))
}

// awaitUnlock waits until no guard holds the lock.
func (g *Guard) awaitUnlock(ctx context.Context) error {
	for {
		err := unix.Flock(int(g.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for the inner guard to clean up: %w", ctx.Err())
		case <-time.After(sweepPause):
		}
	}
}

// call is an RPC that a context bounds. A reply that comes too late goes
// nowhere: the one returned with an error is another.
func call[R any](ctx context.Context, g *Guard, method string, args any) (*R, error) {
	reply := new(R)
	c := g.client.Go(method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-c.Done:
		return reply, c.Error
	case <-ctx.Done():
		return new(R), ctx.Err()
	}
}

func isServerError(err error) bool {
	var e rpc.ServerError
	return errors.As(err, &e)
}

// watched tells when the other side has hung up.
type watched struct {
	net.Conn
	closed chan struct{}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		// There is one reader, and it ends with the first error.
		close(w.closed)
	}
	return n, err
}

func socketPair() (mine net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	file := os.NewFile(uintptr(fds[0]), "control")
	defer file.Close() //nolint:errcheck // FileConn has its own
	theirs = os.NewFile(uintptr(fds[1]), "control")
	mine, err = net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot use the socket pair: %w", err), theirs.Close())
	}
	return mine, theirs, nil
}
