package tracer

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Change is one thing that was done, seen before its process goes on.
type Change struct {
	Depth int    // 0: the program; 1: a process that it started, and so on
	PID   int    // of that process
	Op    string // create write chmod sync link rename unlink mkdir mkfifo start exit
	Path  string // relative to the directory; of a start and an exit empty
	To    string // the new name of a link and a rename
}

// Program is what is traced.
type Program struct {
	Path string
	Args []string // with argv[0]
	Env  []string
	Logs *os.File // its standard output and error
	Dir  string   // the directory that is looked at; absolute, without links
	// From and To are the depths whose changes are told. Before that only starts
	// are, which costs little; what is deeper goes on by itself. While a process
	// runs whose changes are told, the one that has started it is held if its
	// changes are told too: so there is one order of them.
	From, To int
	// Begun is called with the program's pid when it is about to run.
	Begun func(pid int)
	// Each is called for every change, by one goroutine. What made it is stopped
	// meanwhile, and may be killed.
	Each func(Change)
}

// Trace runs the program until it and everything that is traced of it has
// ended. It ends nothing by itself.
func Trace(p Program) error {
	done := make(chan error, 1)
	go func() {
		defer close(done) // also if Each ends the goroutine, as a test that fails does
		// The thread is the tracer, and is not given back: it ends with us, and
		// what it traces with it.
		runtime.LockOSThread()
		done <- trace(p)
	}()
	err, whole := <-done
	if !whole {
		return errors.New("it was not traced to its end")
	}
	return err
}

const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

func trace(p Program) error {
	pid, err := syscall.ForkExec(p.Path, p.Args, &syscall.ProcAttr{
		Env: p.Env, Files: []uintptr{0, p.Logs.Fd(), p.Logs.Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return err
	}
	t := &tracer{p: p, threads: map[int]*thread{}, early: map[int]bool{}}
	t.threads[pid] = &thread{id: pid, process: &process{pid: pid}}
	if err := t.waitFor(pid); err != nil {
		return err
	}
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return fmt.Errorf("cannot trace: %w", err)
	}
	p.Begun(pid)
	t.resume(t.threads[pid], 0)
	for len(t.threads) > 0 {
		if err := t.step(); err != nil {
			return err
		}
	}
	return nil
}

// process is a traced process.
type process struct {
	pid, depth int
	parent     *process
	children   int // that live
}

// thread is one of its threads; each stops by itself.
type thread struct {
	id      int
	process *process
	call    call // that it is in
	held    bool // it has stopped and is not let go on
}

type tracer struct {
	p       Program
	threads map[int]*thread
	early   map[int]bool // stopped before their birth was told
}

func (t *tracer) waitFor(pid int) error {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, unix.WALL, nil); err != nil {
		return err
	}
	if !ws.Stopped() {
		return fmt.Errorf("cannot trace: the program did not stop, %v", ws)
	}
	return nil
}

// step takes one stop or end.
func (t *tracer) step() error {
	var ws syscall.WaitStatus
	id, err := syscall.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot wait for what is traced: %w", err)
	}
	th := t.threads[id]
	switch {
	case th == nil && ws.Stopped():
		t.early[id] = true
	case th == nil:
	case !ws.Stopped():
		t.ended(th)
	case ws.StopSignal() == unix.SIGTRAP|0x80:
		t.called(th)
		t.resume(th, 0)
	case ws.StopSignal() == unix.SIGTRAP && ws.TrapCause() > 0:
		t.event(th, ws.TrapCause())
		t.resume(th, 0)
	case ws.StopSignal() == unix.SIGSTOP:
		t.resume(th, 0) // as every new thread begins
	default:
		t.resume(th, ws.StopSignal())
	}
	return nil
}

// resume lets it go on to its next system call, unless what its process has
// started runs.
func (t *tracer) resume(th *thread, sig syscall.Signal) {
	// On an error it is gone, and its end is told.
	if th.process.depth < t.p.From {
		_ = syscall.PtraceCont(th.id, int(sig))
		return
	}
	if th.held = th.process.children > 0; !th.held {
		_ = syscall.PtraceSyscall(th.id, int(sig))
	}
}

func (t *tracer) ended(th *thread) {
	delete(t.threads, th.id)
	if th.id != th.process.pid {
		return
	}
	if parent := th.process.parent; parent != nil {
		t.p.Each(Change{Depth: th.process.depth, PID: th.id, Op: "exit"})
		parent.children--
		for _, other := range t.threads {
			if other.process == parent && other.held {
				t.resume(other, 0)
			}
		}
	}
}

// event is the birth of a thread or a process.
func (t *tracer) event(th *thread, cause int) {
	if cause == unix.PTRACE_EVENT_EXEC {
		return
	}
	born, err := syscall.PtraceGetEventMsg(th.id)
	if err != nil {
		return
	}
	child := &thread{id: int(born), process: th.process}
	if cause != unix.PTRACE_EVENT_CLONE {
		child.process = &process{pid: child.id, depth: th.process.depth + 1, parent: th.process}
		if child.process.depth > t.p.To {
			t.letGo(child.id)
			t.p.Each(Change{Depth: th.process.depth, PID: th.process.pid, Op: "start"})
			return
		}
		th.process.children++
		t.p.Each(Change{Depth: th.process.depth, PID: th.process.pid, Op: "start"})
	}
	t.threads[child.id] = child
	if t.early[child.id] {
		delete(t.early, child.id)
		t.resume(child, 0)
	}
}

// letGo stops tracing a process that has just been born.
func (t *tracer) letGo(id int) {
	if !t.early[id] {
		_ = t.waitFor(id)
	}
	delete(t.early, id)
	_ = syscall.PtraceDetach(id)
}
