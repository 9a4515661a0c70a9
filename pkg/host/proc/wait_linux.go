package proc

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wNoWait and wAll are missing from package unix under stable names.
const (
	wNoWait = 0x1000000
	wAll    = 0x40000000
)

// siginfo is what waitid(2) fills in, on every 64-bit Linux.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// waitid returns pid 0 if there was nothing to report.
func waitid(kind, id, options int) (siginfo, error) {
	var info siginfo
	for {
		err := unix.Waitid(kind, id, (*unix.Siginfo)(unsafe.Pointer(&info)), options, nil) //nolint:gosec // the kernel fills in what siginfo spells out
		if !errors.Is(err, unix.EINTR) {
			return info, err
		}
	}
}

func (i siginfo) exit() Status {
	const exited = 1 // CLD_EXITED
	if i.code == exited {
		return Status{Code: i.status}
	}
	return Status{Signal: i.status}
}

// Peek returns how a child ended and leaves it to be waited for, so that a
// successor of the caller can still learn it. False: it is not our child, or
// has not ended.
func (p *Process) Peek() (Status, bool) {
	info, err := waitid(unix.P_PIDFD, p.fd, unix.WEXITED|unix.WNOHANG|wNoWait|wAll)
	if err != nil || info.pid == 0 {
		return Status{}, false
	}
	return info.exit(), true
}

// Reap waits for a child that has ended and returns how. False as for Peek.
func (p *Process) Reap() (Status, bool) {
	info, err := waitid(unix.P_PIDFD, p.fd, unix.WEXITED|unix.WNOHANG|wAll)
	if err != nil || info.pid == 0 {
		return Status{}, false
	}
	return info.exit(), true
}

// BecomeSubreaper makes descendants whose parent ends children of the caller,
// so that none can leave the tree by forking twice.
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// HaveLivingChildren reports whether any child of the caller still runs. Of a
// subreaper it says whether any descendant does, in one system call: asked for
// stopped children only, waitid(2) says ECHILD when all of them are zombies.
func HaveLivingChildren() bool {
	_, err := waitid(unix.P_ALL, 0, unix.WCONTINUED|unix.WNOHANG|wNoWait|wAll)
	return !errors.Is(err, unix.ECHILD)
}

// ReapOrphans waits for children that have ended, but keep: if keep has ended
// the rest may stay, since waitid(2) goes on showing the first. Zombies change
// nothing for Offspring; call it with keep 0 at the end.
func ReapOrphans(keep int) {
	for {
		info, err := waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|wNoWait|wAll)
		if err != nil || info.pid == 0 || int(info.pid) == keep {
			return
		}
		reapOne(int(info.pid))
	}
}

func reapOne(pid int) (Status, bool) {
	info, err := waitid(unix.P_PID, pid, unix.WEXITED|unix.WNOHANG|wAll)
	return info.exit(), err == nil && info.pid != 0
}

// Reaped is an orphan that was waited for.
type Reaped struct {
	PID    int
	Start  uint64 // as in Identity
	Status Status
}

// ReapAdopted waits for the children that have ended and whose session is not
// the caller's own: orphans that came to a subreaper. Children that the caller's
// own program started and waits for elsewhere share its session and are left.
func ReapAdopted() []Reaped {
	session, err := unix.Getsid(0)
	if err != nil {
		return nil
	}
	if info, err := waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|wNoWait|wAll); err != nil || info.pid == 0 {
		return nil
	}
	table, err := Table()
	if err != nil {
		return nil
	}
	var all []Reaped
	for _, st := range table {
		if st.Parent != os.Getpid() || !st.Ended() || st.Session == session {
			continue
		}
		if status, ok := reapOne(st.PID); ok {
			all = append(all, Reaped{PID: st.PID, Start: st.Start, Status: status})
		}
	}
	return all
}
