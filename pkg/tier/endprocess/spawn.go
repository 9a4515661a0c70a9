package endprocess

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// launch is how the program is to be started.
type launch struct {
	plan
	inherited
	files stdio
	mark  string // by which its processes are known, as it stands in an environment
	group cgroup.Group
	tree  cgroup.Limits // that the group holds
}

// launchOf settles what can be settled before a fork.
func (p *endProcess) launchOf(argv []string, who account, files stdio) (launch, *fault) {
	run := p.spec.Run
	root := who.uid == 0 || !who.other() && os.Geteuid() == 0
	limits, bad := fallbackLimits(run, p.ungrouped(), root)
	l := launch{
		plan:      plan{argv: argv, env: p.environment(who), dir: p.cwd(), limits: limits, who: who.credential()},
		inherited: inherited{umask: ownUmask, oom: scoreFor(run.OOMScoreAdj)},
		files:     files, mark: spool.MarkName + "=" + p.mark,
		group: p.group, tree: run.Limits.Tree(),
	}
	if run.Umask != nil {
		l.umask = int(*run.Umask)
	}
	return l, bad
}

// staged reports whether a stage is needed; it costs as much as a small program.
func (l launch) staged() bool { return len(l.limits) > 0 }

// spawn forks once, into a session of its own. On an error nothing runs, and
// about says what it is about.
func (l launch) spawn() (pid, pidfd int, about string, err error) {
	pidfd = -1
	sys := &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}
	giveBack, err := l.lend()
	if err != nil {
		return 0, -1, "its OOM score", err
	}
	defer giveBack()
	err = l.group.Fork(sys, l.tree, func() error {
		if l.staged() {
			pid, about, err = l.stage(sys)
			return err
		}
		about = l.argv[0]
		sys.Credential = l.who
		pid, err = syscall.ForkExec(l.argv[0], l.argv, &syscall.ProcAttr{Dir: l.dir, Env: l.env, Files: l.files.given(), Sys: sys}) //nolint:gosec // to run what the user signed is what we are for
		return err
	})
	if errors.Is(err, cgroup.ErrBirth) {
		about = "its cgroup"
	}
	if err != nil && pidfd >= 0 {
		unix.Close(pidfd)
	}
	return pid, pidfd, about, err
}

// stage forks into a stage of this very program, and waits until it has become
// the user's, or has said why not.
func (l launch) stage(sys *syscall.SysProcAttr) (pid int, about string, err error) {
	const first = "the first stage of it"
	planned, err := memoryFile(l.encode())
	if err != nil {
		return 0, first, err
	}
	defer unix.Close(planned)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, first, err
	}
	defer unix.Close(pipe[0])
	pid, err = syscall.ForkExec("/proc/self/exe", []string{"ccs-endprocess", StageArgument}, &syscall.ProcAttr{ //nolint:gosec // G204: this very program
		Dir: "/", Env: []string{l.mark}, // and nothing that a Go program heeds
		Files: append(l.files.given(), uintptr(planned), uintptr(pipe[1])), Sys: sys,
	})
	unix.Close(pipe[1])
	if err != nil {
		return 0, first, err
	}
	last := hear(pipe[0])
	if last.step() == stepReady {
		return pid, "", nil
	}
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	about, err = l.failure(last)
	return 0, about, err
}

// errStage: a stage ended without a word, before it had become the program.
var errStage = errors.New("it ended before it had become the program")

// failure says what a stage could not do.
func (l launch) failure(r report) (about string, err error) {
	switch r.step() {
	case stepLimit:
		return "its limit of " + l.limits[r[1]].name(), r.errno()
	case stepAccount:
		return "its account", r.errno()
	case stepDir:
		return "the working directory " + l.dir, r.errno()
	case stepExec:
		return l.argv[0], r.errno()
	case stepPlan, stepReady:
	}
	return "the first stage of it", errStage
}

// hear returns the last that a stage says.
func hear(fd int) (last report) {
	for {
		var r report
		n, err := unix.Read(fd, r[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case n != len(r):
			return last
		default:
			last = r
		}
	}
}

// memoryFile is a file that has no name, with the content.
func memoryFile(content []byte) (int, error) {
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	for at := 0; at < len(content); {
		n, err := unix.Pwrite(fd, content[at:], int64(at))
		if err != nil {
			unix.Close(fd)
			return -1, err
		}
		at += n
	}
	return fd, nil
}

// passing reports whether a fork may work a moment later.
func passing(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ETXTBSY) || errors.Is(err, errStage)
}
