package endprocess

import (
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// signals turns "look at the stop file" (SIGUSR1, SIGTERM) into something that
// poll(2) sees, and swallows what a terminal or a broken pipe would send. They
// are caught, not ignored: what is ignored stays ignored in the user's process.
type signals struct {
	look   atomic.Bool
	reader int
	writer int
	caught chan os.Signal
}

func catchSignals() *signals {
	heedInherited()
	s := &signals{reader: -1, writer: -1, caught: make(chan os.Signal, 16)}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) == nil {
		s.reader, s.writer = fds[0], fds[1]
	}
	s.look.Store(true) // look once without being told
	signal.Notify(s.caught, unix.SIGUSR1, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGCHLD)
	go s.pump() // until the process ends: to undo it would take longer than a short command
	return s
}

// The kernel's sigaction: SIG_IGN is a handler of 1, and all zero is the default.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	sigIgnore  = 1
	lastSignal = 64
)

// heedInherited gives signals that somebody above was ignoring, whoever started
// the executor, their default again: what is ignored stays ignored in the
// user's process. The Go runtime has taken those that it knows already; it
// leaves out 32 and 33, and os/signal cannot name them.
func heedInherited() {
	for sig := uintptr(1); sig <= lastSignal; sig++ {
		var is, none sigaction
		size := unsafe.Sizeof(is.mask)
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&is)), size, 0, 0) //nolint:gosec // G103: the kernel writes the struct during the call
		if errno == 0 && is.handler == sigIgnore {
			_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&none)), 0, size, 0, 0) //nolint:gosec // G103: and reads this one
		}
	}
}

func (s *signals) pump() {
	for sig := range s.caught {
		switch sig {
		case unix.SIGUSR1, unix.SIGTERM:
			s.look.Store(true)
		case unix.SIGCHLD: // an orphan wants to be waited for
		default:
			continue
		}
		_, _ = unix.Write(s.writer, []byte{0}) // full: it wakes anyhow
	}
}

// fd is readable after a signal.
func (s *signals) fd() int { return s.reader }

// take reports whether to look at the stop file, once for each signal.
func (s *signals) take() bool { return s.look.Swap(false) }

// pause waits, or returns early when a signal comes.
func (s *signals) pause(d time.Duration) {
	fds := []unix.PollFd{{Fd: int32(s.reader), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(d/time.Millisecond))
	if n > 0 || errors.Is(err, unix.EINTR) {
		var buf [64]byte
		_, _ = unix.Read(s.reader, buf[:])
	}
}
