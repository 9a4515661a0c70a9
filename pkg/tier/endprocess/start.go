package endprocess

import (
	"errors"
	"math"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// forkPauses are the pauses between tries to fork: no pids and no memory are
// mostly over soon.
var forkPauses = [...]time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// scriptFD is where the script is open in a process of another account.
const scriptFD = 3

// fault says why the user's process could not be started.
type fault struct {
	reason task.Reason
	text   string
	ran    bool // it was started, and cannot be watched
}

// faultOf maps what the kernel says. An empty text about a place is only for
// what concerns no file.
func faultOf(about string, err error) *fault {
	f := &fault{reason: task.NoResources, text: "cannot start the command: " + about + ": " + err.Error()}
	for _, m := range []struct {
		err    error
		reason task.Reason
	}{
		{unix.ENOENT, task.NoFile},
		{unix.ENOTDIR, task.NoFile},
		{unix.ELOOP, task.NoFile},
		{unix.ENAMETOOLONG, task.NoFile},
		{unix.EACCES, task.NoPermission},
		{unix.EPERM, task.NoPermission},
		{unix.EAGAIN, task.ForkFailed},
		{unix.ENOMEM, task.ForkFailed},
		{unix.ENOEXEC, task.BadSpec},
		{unix.E2BIG, task.BadSpec},
		{unix.EINVAL, task.BadSpec},
		{spool.ErrMissing, task.BadSpec},
		{spool.ErrDamaged, task.BadSpec},
	} {
		if errors.Is(err, m.err) {
			f.reason = m.reason
			break
		}
	}
	return f
}

// start starts the user's process with its outputs on FIFOs that we drain.
func (p *endProcess) start() (leader *proc.Process, sinks [2]*spool.Sink, at time.Time, bad *fault) {
	who, bad := lookUp(p.spec.Run.Account)
	if bad != nil {
		return nil, sinks, at, bad
	}
	files, sinks, err := p.files(who)
	defer func() { files.close() }()
	if err == nil {
		err = proc.BecomeSubreaper()
	}
	if err != nil {
		return nil, sinks, at, faultOf("its files", err)
	}
	argv, bad := p.argv(who, &files)
	if bad != nil {
		return nil, sinks, at, bad
	}
	closeOnExec()
	noCore()
	p.makeGroup()
	l, bad := p.launchOf(argv, who, files)
	if bad != nil {
		return nil, sinks, at, bad
	}
	leader, at, bad = p.fork(l)
	return leader, sinks, at, bad
}

// closeOnExec keeps whatever we were started with out of the user's process.
func closeOnExec() {
	const first = 3
	if unix.CloseRange(first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	names, err := os.ReadDir("/proc/self/fd") // a kernel before 5.11
	if err != nil {
		return
	}
	for _, name := range names {
		if fd, err := strconv.Atoi(name.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// stdio is the descriptors that the user's process is given; -1: none.
type stdio [4]int

// given is what a fork takes: ^0 where there is none.
func (s stdio) given() []uintptr {
	files := make([]uintptr, len(s), len(s)+2)
	for i, fd := range s {
		files[i] = uintptr(fd) // ^0 of -1
	}
	return files
}

func (s stdio) close() {
	for _, fd := range s {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// files opens the standard input, the FIFOs and our ends of them.
func (p *endProcess) files(who account) (files stdio, sinks [2]*spool.Sink, err error) {
	files = stdio{-1, -1, -1, -1}
	stdin := "/dev/null"
	if p.spec.Run.Stdin.Present {
		if stdin, err = p.dir.Stdin(p.spec); err != nil {
			return files, sinks, err
		}
	}
	if files[0], err = unix.Open(stdin, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return files, sinks, &os.PathError{Op: "open", Path: stdin, Err: err}
	}
	for i := range sinks {
		if files[1+i], err = p.dir.FIFO(p.attempt, i, who.uid, who.gid); err != nil {
			return files, sinks, err
		}
		if sinks[i], err = p.dir.OpenSink(p.attempt, i, p.spec.Run.Keep); err != nil {
			return files, sinks, err
		}
	}
	return files, sinks, nil
}

// argv is the program with its arguments; argv[0] is a path. A script runs as
// `interpreter path`: it is never executed itself, since a file just written can
// be busy.
func (p *endProcess) argv(who account, files *stdio) ([]string, *fault) {
	run := p.spec.Run
	argv := run.Argv
	if run.Script.Present {
		script, err := p.dir.Script(p.spec)
		if err != nil {
			return nil, faultOf("the script", err)
		}
		if who.other() { // it cannot reach the directory, but may read an open file
			if files[scriptFD], err = unix.Open(script, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return nil, faultOf("the script", err)
			}
			script = "/proc/self/fd/3"
		}
		argv = append(append([]string(nil), run.Interpreter...), script)
	}
	path, err := lookPath(argv[0], searchPath(p.spec.Run.Env))
	if err != nil {
		return nil, faultOf(argv[0], err)
	}
	if st, err := os.Stat(p.cwd()); err != nil || !st.IsDir() {
		if err == nil {
			err = unix.ENOTDIR
		}
		return nil, faultOf("the working directory "+p.cwd(), err)
	}
	return append([]string{path}, argv[1:]...), nil
}

func (p *endProcess) cwd() string {
	if p.spec.Run.Dir == "" {
		return "/"
	}
	return p.spec.Run.Dir
}

// fork starts the process, with a pidfd from the start.
func (p *endProcess) fork(l launch) (*proc.Process, time.Time, *fault) {
	for try := 0; ; try++ {
		at := time.Now()
		pid, pidfd, about, err := l.spawn()
		if err == nil {
			if pidfd < 0 {
				return nil, at, &fault{ran: true, text: "cannot watch the command: this kernel has no pidfds; it needs Linux 5.4"}
			}
			return proc.Child(pidfd, pid, p.self.Boot), at, nil
		}
		if !passing(err) || try == len(forkPauses) || p.dir.Stopped() {
			return nil, at, faultOf(about, err)
		}
		p.signals.pause(forkPauses[try])
	}
}
