package operator

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// Level is how bad a finding is.
type Level string

// The levels. A fault needs somebody now.
const (
	OK    Level = "ok"
	Warn  Level = "warn"
	Fault Level = "FAULT"
)

// Check is one finding, in one line, with what to do where it is not ok.
type Check struct {
	Name  string
	Level Level
	Text  string
	Do    string
}

func ok(name, text string) Check         { return Check{name, OK, text, ""} }
func warn(name, text, do string) Check   { return Check{name, Warn, text, do} }
func faulty(name, text, do string) Check { return Check{name, Fault, text, do} }

// Checks looks at what the disk, the kernel and the process table say.
func (h Host) Checks(now time.Time) []Check {
	s := h.Status(now)
	checks := []Check{
		directory("executor's state", h.StateDir, true),
		directory("agent's state", h.AgentDir, true),
		directory("operator's word", h.OperatorDir, false),
		room("disk", h.StateDir),
		process("executor", s.Executor, "nothing is started and what runs is not watched: start ccs-executor; its log says why it ended"),
		process("agent", s.Agent, "nothing new comes and no outcome goes up: start ccs-agent; its log says why it ended"),
		session(s, now),
		kernel(),
		clock(s.Link),
		h.records(s),
		h.unwatched(s),
		h.strangers(s),
		foreigners(s),
		h.pipes(s),
		frozen(s.Freeze),
	}
	for _, err := range s.Faults {
		checks = append(checks, faulty("reading", err.Error(), "see to the file that it names; as root everything here can be read"))
	}
	return checks
}

// directory looks at owner and mode. secret: only its owner may even look.
func directory(name, path string, secret bool) Check {
	name += " directory"
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	switch mode := st.Mode & 0o7777; {
	case errors.Is(err, unix.ENOENT) && !secret:
		return ok(name, path+" is made by the first freeze")
	case errors.Is(err, unix.ENOENT):
		return warn(name, path+" is not there", "it is made at the first start; if there was one, somebody has removed it, and with it what was known")
	case err != nil:
		return faulty(name, path+": "+err.Error(), "see to the disk and to who may look")
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return faulty(name, path+" is no directory", "move it away and start again")
	case int(st.Uid) != os.Geteuid() && st.Uid != 0:
		return warn(name, path+" belongs to account "+strconv.Itoa(int(st.Uid)), "whoever owns it decides what this host runs: root should")
	case mode&0o022 != 0:
		return faulty(name, path+" can be written by others: mode "+octal(mode), "chmod go-w "+path)
	case secret && mode&0o077 != 0:
		return faulty(name, path+" can be read by others: mode "+octal(mode), "chmod 700 "+path)
	default:
		return ok(name, path+" mode "+octal(mode))
	}
}

func octal(mode uint32) string { return "0" + strconv.FormatUint(uint64(mode), 8) }

// What a disk should have left: below least the next records may not fit.
const (
	leastBytes = 64 << 20
	scantBytes = 512 << 20
	leastNodes = 1_000
)

func room(name, path string) Check {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return warn(name, path+": "+err.Error(), "see to the disk")
	}
	free := st.Bavail * uint64(st.Bsize)
	text := strconv.FormatUint(free>>20, 10) + " MiB free"
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return faulty(name, path+" is on a read-only file system", "see what the kernel says of the disk, and mount it again")
	case free < leastBytes, st.Files > 0 && st.Ffree < leastNodes:
		return faulty(name, text+", "+strconv.FormatUint(st.Ffree, 10)+" inodes", "make room: commands cannot be accepted, and outcomes cannot be written")
	case free < scantBytes:
		return warn(name, text, "make room before it is full")
	}
	return ok(name, text)
}

func process(name string, p Process, do string) Check {
	switch {
	case !p.Up:
		return faulty(name, "is down: nobody holds its state directory", do)
	case p.PID == 0:
		return warn(name, "is up, and its pid cannot be read", "see who has the file lock of its state directory open: fuser")
	case p.Since.IsZero():
		return warn(name, "its lock is held, and not by the pid in it, which is "+strconv.Itoa(p.PID), "see who has the file lock of its state directory open: fuser")
	}
	return ok(name, "is up, pid "+strconv.Itoa(p.PID))
}

// silence is how long nothing may come from above.
const silence = 2 * time.Minute

func session(s Status, now time.Time) Check {
	const name = "session"
	switch {
	case !s.Agent.Up:
		return warn(name, "there is none: the agent is down", "start the agent")
	case s.Link == nil:
		return warn(name, "the agent says nothing of it yet", "wait a moment; then see its log")
	case s.Link.Aggregator == "":
		return faulty(name, "there is none since "+stamp(s.Link.Since), "see the agent's log: can one of its aggregators be reached from here?")
	case !s.Link.Heard.IsZero() && now.Sub(s.Link.Heard) > silence:
		return warn(name, "nothing has come from "+s.Link.Aggregator+" since "+stamp(s.Link.Heard), "see the agent's log")
	}
	return ok(name, "with "+s.Link.Aggregator+" at "+s.Link.Address+" since "+stamp(s.Link.Since))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// kernel tries what supervision is built on.
func kernel() Check {
	const name = "kernel"
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return faulty(name, "has no pidfds: "+err.Error(), "commands can be started from Linux 5.4 on: take a newer kernel, or allow pidfd_open in the sandbox")
	}
	unix.Close(fd)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
		return faulty(name, "knows no subreapers: "+err.Error(), "what a command leaves behind cannot be ended: allow prctl in the sandbox")
	}
	if _, err := proc.BootID(); err != nil {
		return faulty(name, "does not tell its boot id: "+err.Error(), "mount /proc")
	}
	return ok(name, "pidfd, subreaper, boot id")
}

// How far the host's clock may be from the one above. Beyond the second nothing
// that is signed is taken in time (capsule.ClockSkew).
const (
	someSkew = 30 * time.Second
	badSkew  = 5 * time.Minute
)

func clock(l *spool.Link) Check {
	const name = "clock"
	if l == nil || l.ServerTime.IsZero() {
		return ok(name, "nobody above has said the time yet")
	}
	skew := l.Heard.Sub(l.ServerTime)
	text := "is " + skew.Abs().Truncate(time.Millisecond).String() + " ahead of the servers'"
	if skew < 0 {
		text = "is " + skew.Abs().Truncate(time.Millisecond).String() + " behind the servers'"
	}
	switch {
	case skew.Abs() > badSkew:
		return faulty(name, text, "set it: commands are refused, or start after their time")
	case skew.Abs() > someSkew:
		return warn(name, text, "see to NTP")
	}
	return ok(name, text)
}

func frozen(w Word) Check {
	const name = "freeze"
	if !w.Frozen {
		return ok(name, "none")
	}
	if w.Err != nil {
		return faulty(name, "the host is frozen, and the word cannot be read: "+w.Err.Error(), "ccshost thaw, or ccshost freeze again")
	}
	return warn(name, "the host starts nothing new since "+stamp(w.Freeze.Since), "ccshost thaw when it may go on")
}

func (h Host) pipes(s Status) Check {
	const name = "FIFOs"
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return ok(name, "none")
	}
	defer v.Close()
	var left []string
	for _, e := range s.Entries {
		if e.Live() || e.Released {
			continue
		}
		dir, err := v.Command(e.ID)
		if err != nil {
			continue
		}
		for _, f := range dir.FIFOs() {
			left = append(left, filepath.Join(e.ID, f))
		}
		dir.Close()
	}
	if len(left) > 0 {
		return warn(name, some(left)+" are left of commands that have ended", "they go with the command's directory; the executor removes it when the outcome is safe above")
	}
	return ok(name, "none left behind")
}
