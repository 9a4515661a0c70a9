package proc

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Process is a hold on one process by pidfd: it cannot come to mean another
// one. Not safe for concurrent use, except Signal.
type Process struct {
	id Identity
	fd int
}

// Open takes hold of the process named. ErrGone: it is another boot, nobody has
// the pid, or somebody else has. Any other error says nothing about it. A
// process that has ended and was not waited for can be held.
func Open(id Identity) (*Process, error) {
	boot, err := BootID()
	if err != nil {
		return nil, err
	}
	if id.Boot != boot || id.PID <= 0 {
		return nil, ErrGone
	}
	return open(id)
}

// open is Open of a process of this boot.
func open(id Identity) (*Process, error) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	// EINVAL, and ENOENT of newer kernels: the pid is now a thread's.
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	// Look after opening: the pid may have changed hands before, not after.
	st, err := ReadStat(id.PID)
	if err != nil || st.Start != id.Start && !planted.Bug("a process is known by its pid alone") {
		unix.Close(fd)
		if err == nil {
			err = ErrGone
		}
		return nil, err
	}
	return &Process{id: id, fd: fd}, nil
}

// Child holds a child that nobody has waited for by the pidfd that came with
// its start. It cannot fail: what runs must not be lost sight of because a file
// cannot be opened.
func Child(fd, pid int, boot string) *Process {
	return &Process{id: Identity{Boot: boot, PID: pid}, fd: fd}
}

// Identity returns whom it holds. Its Start is 0 if it could not be read yet,
// which can be only of a Child.
func (p *Process) Identity() Identity {
	if p.id.Start == 0 {
		if st, err := ReadStat(p.id.PID); err == nil {
			p.id.Start = st.Start
		}
	}
	return p.id
}

// FD returns the pidfd: poll(2) reports it readable when the process has ended.
func (p *Process) FD() int { return p.fd }

// Close lets go of it.
func (p *Process) Close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// Signal sends a signal, or returns ErrGone.
func (p *Process) Signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(p.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

// Ended reports whether the process has ended, waited for or not.
func (p *Process) Ended() bool {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n > 0
	}
}

// Wait returns when the process has ended, or with the context's error. It
// parks the goroutine and holds no thread.
func (p *Process) Wait(ctx context.Context) error {
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	defer func() { _ = file.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = file.Close() })
	defer stop()
	conn, err := file.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool { return (&Process{fd: int(fd)}).Ended() })
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
