package tracer

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call that was entered.
type call struct {
	nr   uint64
	args [6]uint64
}

// info is the kernel's ptrace_syscall_info.
type info struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // instruction and stack pointer
	// At the entry the number and the arguments; at the exit the result, and in
	// the first byte of the next word whether it is an error.
	words [8]uint64
}

const (
	getInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	entry   = 1
	exit    = 2
)

// called tells what a system call did that has returned.
func (t *tracer) called(th *thread) {
	var i info
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, getInfo, uintptr(th.id), unsafe.Sizeof(i), uintptr(unsafe.Pointer(&i)), 0, 0); errno != 0 { //nolint:gosec // G103: the kernel writes the struct during the call
		return
	}
	switch {
	case i.op == entry:
		th.call = call{nr: i.words[0], args: [6]uint64(i.words[1:7])}
	case i.op == exit && i.words[1]&0xff == 0:
		if c, ok := t.change(th, i.words[0]); ok {
			c.Depth, c.PID = th.process.depth, th.process.pid
			t.p.Each(c)
		}
	}
}

// change says what a call that succeeded has changed; false: nothing that is
// looked at.
func (t *tracer) change(th *thread, result uint64) (c Change, ok bool) {
	a := th.call.args
	switch th.call.nr {
	case unix.SYS_OPENAT:
		c.Op, c.Path = "create", t.at(th, a[0], a[1])
		return c, a[2]&unix.O_CREAT != 0 && c.Path != ""
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE:
		c.Op, c.Path = "write", t.open(th, a[0])
	case unix.SYS_SPLICE:
		c.Op, c.Path = "write", t.open(th, a[2])
		return c, result > 0 && c.Path != ""
	case unix.SYS_FCHMOD:
		c.Op, c.Path = "chmod", t.open(th, a[0])
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		c.Op, c.Path = "sync", t.open(th, a[0])
	case unix.SYS_LINKAT:
		c.Op, c.Path, c.To = "link", t.at(th, a[0], a[1]), t.at(th, a[2], a[3])
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		c.Op, c.Path, c.To = "rename", t.at(th, a[0], a[1]), t.at(th, a[2], a[3])
	case unix.SYS_UNLINKAT:
		c.Op, c.Path = "unlink", t.at(th, a[0], a[1])
	case unix.SYS_MKDIRAT:
		c.Op, c.Path = "mkdir", t.at(th, a[0], a[1])
	case unix.SYS_MKNODAT:
		c.Op, c.Path = "mkfifo", t.at(th, a[0], a[1])
	}
	return c, c.Path != ""
}

// open is the path of an open file; "" if it is not looked at.
func (t *tracer) open(th *thread, fd uint64) string {
	path, err := os.Readlink("/proc/" + strconv.Itoa(th.id) + "/fd/" + strconv.Itoa(int(int32(fd))))
	if err != nil {
		return ""
	}
	return t.within(path)
}

// at is the path that an *at call names.
func (t *tracer) at(th *thread, dir, name uint64) string {
	path := text(th.id, uintptr(name))
	if filepath.IsAbs(path) {
		return t.within(path)
	}
	from := "/cwd"
	if fd := int(int32(dir)); fd != unix.AT_FDCWD {
		from = "/fd/" + strconv.Itoa(fd)
	}
	base, err := os.Readlink("/proc/" + strconv.Itoa(th.id) + from)
	if err != nil {
		return ""
	}
	return t.within(filepath.Join(base, path))
}

func (t *tracer) within(path string) string {
	if path == t.p.Dir {
		return "."
	}
	rest, ok := strings.CutPrefix(path, t.p.Dir+"/")
	if !ok {
		return ""
	}
	return rest
}

// text reads a path from the memory of a thread that is stopped.
func text(id int, at uintptr) string {
	var all []byte
	for word := make([]byte, 8); len(all) < unix.PathMax; {
		n, err := syscall.PtracePeekData(id, at+uintptr(len(all)), word)
		if err != nil || n == 0 {
			return ""
		}
		if end := bytes.IndexByte(word[:n], 0); end >= 0 {
			return string(append(all, word[:end]...))
		}
		all = append(all, word[:n]...)
	}
	return ""
}
