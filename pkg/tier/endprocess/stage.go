package endprocess

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StageArgument alone makes the program a stage.
const StageArgument = "--stage"

// Where a stage finds what it needs; below are what the program is given.
const (
	planFD   = 4
	reportFD = 5
)

// step is where a stage fails.
type step byte

// The steps of a stage, in their order. stepReady is no failure: what comes next
// is the program.
const (
	stepPlan step = iota + 1
	stepLimit
	stepAccount
	stepDir
	stepReady
	stepExec
)

// report is what a stage says on its pipe: the step, which of its limits, and
// the errno. Nothing but stepReady means that the program has begun.
type report [6]byte

func reportOf(s step, which int, errno syscall.Errno) (r report) {
	r[0], r[1] = byte(s), byte(which)
	binary.LittleEndian.PutUint32(r[2:], uint32(errno))
	return r
}

func (r report) step() step           { return step(r[0]) }
func (r report) errno() syscall.Errno { return syscall.Errno(binary.LittleEndian.Uint32(r[2:])) }

// Stage is what a fork is before it becomes the user's program: it sets what
// Go's fork cannot, of itself alone, and then becomes the program. So nothing of
// it touches the end-process, and the program never runs without it. It returns
// only if that failed, after saying why.
//
// The order is that of the privileges: limits are raised while they may be, the
// account changes, and only then limits are lowered, with nothing of the Go
// runtime between that and the program: it could need memory or a thread.
func Stage() {
	unix.CloseOnExec(reportFD)
	p, ok := readPlan()
	if !ok {
		say(reportOf(stepPlan, 0, syscall.EBADMSG))
		return
	}
	if failed := p.prepare(); failed.step() != 0 {
		say(failed)
		return
	}
	path, argv, env, ok := p.pointers()
	if !ok {
		say(reportOf(stepPlan, 0, syscall.EINVAL))
		return
	}
	runtime.LockOSThread()
	say(become(path, argv, env, p.limits))
}

func readPlan() (plan, bool) {
	f := os.NewFile(planFD, "plan")
	st, err := f.Stat()
	if err != nil {
		return plan{}, false
	}
	data := make([]byte, st.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return plan{}, false
	}
	_ = f.Close()
	return decodePlan(data)
}

func say(r report) { _, _ = syscall.Write(reportFD, r[:]) }

// prepare does everything that leaves the runtime alone. The report is zero if
// all went well.
func (p plan) prepare() report {
	// The Go runtime has raised the number of open files and lowers it again when
	// it becomes another program, even if it does not get that far.
	_ = syscall.Exec("", []string{""}, nil)
	for i, l := range p.limits {
		var have syscall.Rlimit
		err := syscall.Getrlimit(l.which, &have)
		if err == nil && l.value > have.Max {
			err = syscall.Setrlimit(l.which, &syscall.Rlimit{Cur: l.value, Max: l.value})
		}
		if err != nil {
			return failedAt(stepLimit, i, err)
		}
	}
	if p.who != nil {
		if err := p.changeAccount(); err != nil {
			return failedAt(stepAccount, 0, err)
		}
	}
	if err := syscall.Chdir(p.dir); err != nil {
		return failedAt(stepDir, 0, err)
	}
	return report{}
}

func (p plan) changeAccount() error {
	groups := make([]int, len(p.who.Groups))
	for i, g := range p.who.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	gid, uid := int(p.who.Gid), int(p.who.Uid)
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return err
	}
	return syscall.Setresuid(uid, uid, uid)
}

func failedAt(s step, which int, err error) report {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return reportOf(s, which, errno)
}

func (p plan) pointers() (path *byte, argv, env []*byte, ok bool) {
	path, err1 := syscall.BytePtrFromString(p.argv[0])
	argv, err2 := syscall.SlicePtrFromStrings(p.argv)
	env, err3 := syscall.SlicePtrFromStrings(p.env)
	return path, argv, env, err1 == nil && err2 == nil && err3 == nil
}

// become sets the limits and is the program. It allocates nothing and calls
// nothing of the runtime: a limit may leave no room for either.
func become(path *byte, argv, env []*byte, limits []kernelLimit) report {
	for i := range limits {
		l := syscall.Rlimit{Cur: limits[i].value, Max: limits[i].value}
		_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(limits[i].which), uintptr(unsafe.Pointer(&l)), 0, 0, 0) //nolint:gosec // G103: the kernel reads the struct during the call
		if errno != 0 {
			return reportOf(stepLimit, i, errno)
		}
	}
	ready := reportOf(stepReady, 0, 0)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, reportFD, uintptr(unsafe.Pointer(&ready[0])), uintptr(len(ready)))                                        //nolint:gosec // G103: as above
	_, _, errno := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0]))) //nolint:gosec // G103: as above
	return reportOf(stepExec, 0, errno)
}
