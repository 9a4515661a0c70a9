package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Fork calls fork, which starts a process with sys and returns when it has
// become its program, so that the process is born in the group. Version 2 does
// that by itself. In version 1 a child is born where the thread is that forks:
// so fork is called on a thread that is in the group already, is used for
// nothing else and ends afterwards. An error that wraps ErrBirth is not fork's
// own: fork was not called.
//
// The number of processes is limited from fork's return on: until then what
// forks is counted too, a thread or a Go program that has several. Whoever forks
// faster than that can fork no more from then on.
func (g Group) Fork(sys *syscall.SysProcAttr, l Limits, fork func() error) error {
	if path := g.at[unified]; path != "" {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return errors.Join(ErrBirth, &os.PathError{Op: "open", Path: path, Err: err})
		}
		defer unix.Close(fd)
		sys.UseCgroupFD, sys.CgroupFD = true, fd
	}
	var err error
	if g.old() {
		tid := onThread(func() {
			if err = g.enter(); err == nil {
				err = fork()
			}
		})
		if g.at[pids] != "" {
			awaitThread(tid) // it is counted
		}
	} else {
		err = fork()
	}
	if err == nil && l.PIDs > 0 {
		_ = g.limitPIDs(strconv.FormatUint(uint64(l.PIDs), 10)) // Make has reported it if it cannot be held
	}
	return err
}

// ErrBirth says that no process can be born in the group.
var ErrBirth = errors.New("cannot start a process in its cgroup")

// old reports whether any hierarchy of version 1 is used.
func (g Group) old() bool {
	g.at[unified] = ""
	return !g.IsZero()
}

// enter brings the calling thread into the group's hierarchies of version 1.
func (g Group) enter() error {
	tid := strconv.Itoa(unix.Gettid())
	for h := memory; h < hierarchies; h++ {
		if g.at[h] == "" {
			continue
		}
		if err := write(filepath.Join(g.at[h], "tasks"), tid); err != nil {
			return errors.Join(ErrBirth, err)
		}
	}
	return nil
}

// onThread runs do on a thread that ends with it, and returns which it was. The
// first thread of a process cannot end before the process.
func onThread(do func()) (tid int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: so the thread ends with the goroutine
		if tid = unix.Gettid(); tid == unix.Getpid() {
			tid = onThread(do) // this thread is held meanwhile, so it is another one
			runtime.UnlockOSThread()
			return
		}
		do()
	}()
	<-done
	return tid
}

// threadLooks bounds the wait for a thread that has nothing more to do.
const (
	threadLooks = 200
	threadPause = 50 * time.Microsecond
)

func awaitThread(tid int) {
	for range threadLooks {
		if errors.Is(unix.Tgkill(unix.Getpid(), tid, 0), unix.ESRCH) {
			return
		}
		time.Sleep(threadPause)
	}
}
