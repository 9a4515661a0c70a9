package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sweepBudget bounds a sweep: only processes that the kernel itself holds
	// in an uninterruptible state live through a SIGKILL.
	sweepBudget = 30 * time.Second
	// innerBudget is how long the outer guard lets the inner one tidy up
	// after the front's death before it does so itself.
	innerBudget = 10 * time.Second
)

// Word is the hidden argument that makes a binary a guard: `devcluster
// guard-inner {…}`. A binary that can be one calls Main first thing.
const (
	wordOuter = "guard-outer"
	wordInner = "guard-inner"
)

// IsGuard says whether the arguments (with the program's name first) ask for a guard.
func IsGuard(args []string) bool {
	return len(args) == 3 && (args[1] == wordOuter || args[1] == wordInner)
}

// Main is the whole life of a guard process; it returns the exit status. Only
// the end of those above and below ends it: the context is for its sweep.
func Main(ctx context.Context, args []string) int {
	var c Config
	err := json.Unmarshal([]byte(args[2]), &c)
	if err == nil {
		err = prepare()
	}
	if err == nil && args[1] == wordOuter {
		err = runOuter(ctx, c, args)
	} else if err == nil {
		err = runInner(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		return 1
	}
	return 0
}

// prepare makes the process one that adopts orphans, and deaf: only the end
// of those above and below counts, and whoever kills by name (`killall
// devcluster`) is to hit the front and not the guards that clean up after it.
func prepare() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become a subreaper: %w", err)
	}
	for fd := fdControl; fd <= fdLock; fd++ {
		syscall.CloseOnExec(fd) // for guards, not for what they start
	}
	_ = os.WriteFile("/proc/self/comm", []byte("ccs-guard"), 0)
	// Caught and dropped, not ignored: what is ignored would be inherited.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGPIPE)
	return nil
}

// runOuter starts the inner guard and cleans up after it.
func runOuter(ctx context.Context, c Config, args []string) error {
	life := inherited(fdLife, "life")
	held, ours, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the guard's binary: %w", err)
	}
	inner, err := syscall.ForkExec(self, []string{args[0], wordInner, args[2]}, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2, fdControl, held.Fd(), fdLock},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("cannot start the inner guard: %w", err)
	}
	// The front must see the end of the inner guard as the end of this connection.
	if err := unix.Close(fdControl); err != nil {
		return fmt.Errorf("cannot close the control connection: %w", err)
	}

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		waitFor(inner)
	}()
	go func() {
		untilClosed(life)
		select {
		case <-ended:
		case <-time.After(innerBudget):
			_ = unix.Kill(inner, unix.SIGKILL) // not collected yet, so still itself
		}
	}()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM)
	select {
	case <-ended:
	case <-asked:
		_ = ours.Close() // the inner guard takes it for our death
		<-ended
	}
	ctx, cancel := context.WithTimeout(ctx, sweepBudget)
	defer cancel()
	err = sweep(ctx, c.Marker, func() bool {
		for {
			if pid, _, none := waitAny(); pid == 0 {
				return none
			}
		}
	})
	return errors.Join(err, removeDir(c))
}

func waitFor(pid int) {
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// untilClosed comes back when nobody holds the other end of the pipe.
func untilClosed(f *os.File) {
	defer f.Close() //nolint:errcheck // read only
	buf := make([]byte, 1)
	for {
		if _, err := f.Read(buf); err != nil {
			return
		}
	}
}
