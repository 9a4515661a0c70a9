package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TicksPerSecond is the unit of Identity.Start; the kernel fixes it for user space.
const TicksPerSecond = 100

// Stat is one line of the process table.
type Stat struct {
	PID     int
	Parent  int
	Group   int
	Session int
	State   byte   // letter of proc(5), of the first thread
	Threads int    // the first included, also if that one has ended
	Start   uint64 // clock ticks since boot
	Name    string // of its program, at most 15 bytes

	bare    bool // it has no environment yet: execve(2) is making one
	leaving bool // exit(2) of its first thread has begun, or is done
}

// Ended reports whether only the entry is left of the process. One whose first
// thread has ended shows as a zombie too, and runs while it has other threads.
func (s Stat) Ended() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// Leaving reports whether the process may have closed its files already: it has
// ended, or begun to. That is before it counts as ended, which it does when all
// is put away; a process that is killed on a busy host is between the two for
// some milliseconds. So is one of which nothing can be read.
func Leaving(id Identity) bool {
	st, err := ReadStat(id.PID)
	return err != nil || st.Start != id.Start || st.leaving || st.Ended()
}

// BootID returns the id of this boot of the kernel.
func BootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(data)), nil
}

// Self returns the identity of the calling process.
func Self() (Identity, error) { return Of(os.Getpid()) }

// Of returns the identity of the process that has the pid now, or ErrGone.
func Of(pid int) (Identity, error) {
	boot, err := BootID()
	if err != nil {
		return Identity{}, err
	}
	st, err := ReadStat(pid)
	if err != nil {
		return Identity{}, err
	}
	return Identity{Boot: boot, PID: pid, Start: st.Start}, nil
}

// ReadStat reads one line of the process table. ErrGone: there is no such pid.
func ReadStat(pid int) (Stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return Stat{}, ErrGone
	}
	if err != nil {
		return Stat{}, err
	}
	return parseStat(pid, data)
}

var errStat = errors.New("cannot read the process table: a line is not as proc(5) says")

// Fields of proc(5), counted from the one after the name.
const (
	fieldParent  = 1
	fieldGroup   = 2
	fieldSession = 3
	fieldFlags   = 6
	fieldThreads = 17
	fieldStart   = 19
	fieldEnvEnd  = 48 // where the environment ends in memory; 0: there is none
)

// Bits of the flags.
const (
	exiting      = 0x00000004
	kernelThread = 0x00200000
)

// parseStat starts after the last ')': the program's name before it may hold
// any byte, also blanks and parentheses.
func parseStat(pid int, data []byte) (Stat, error) {
	begin, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if begin < 0 || end < begin {
		return Stat{}, errStat
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) <= fieldStart || len(fields[0]) != 1 {
		return Stat{}, errStat
	}
	st := Stat{PID: pid, State: fields[0][0], Name: string(data[begin+1 : end])}
	var flags int
	for _, f := range [...]struct {
		at int
		to *int
	}{{fieldParent, &st.Parent}, {fieldGroup, &st.Group}, {fieldSession, &st.Session}, {fieldFlags, &flags}, {fieldThreads, &st.Threads}} {
		n, err := strconv.Atoi(fields[f.at])
		if err != nil {
			return Stat{}, errStat
		}
		*f.to = n
	}
	start, err := strconv.ParseUint(fields[fieldStart], 10, 64)
	if err != nil {
		return Stat{}, errStat
	}
	st.Start = start
	st.leaving = flags&exiting != 0
	st.bare = flags&kernelThread == 0 && len(fields) > fieldEnvEnd && fields[fieldEnvEnd] == "0"
	return st, nil
}

// Table reads the whole process table. Processes that end while it is read are
// left out, and so are those that the caller may not see. On any other error
// there is no table: what could not be read is not taken for ended. Its cost
// grows with the host's processes: about 10 µs each.
func Table() ([]Stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make([]Stat, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		st, err := ReadStat(pid)
		if errors.Is(err, ErrGone) || errors.Is(err, os.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, err
		}
		table = append(table, st)
	}
	return table, nil
}

// Uptime returns the clock ticks since boot, suspended time included: the clock
// that Identity.Start is read from, so it does not jump.
func Uptime() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return uint64(ts.Sec)*TicksPerSecond + uint64(ts.Nsec)*TicksPerSecond/1e9
}
