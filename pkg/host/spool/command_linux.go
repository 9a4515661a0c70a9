package spool

import (
	"errors"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Names in a command's directory.
const (
	specFile   = "spec"
	damagedOne = "spec.damaged"
	stopFile   = "stop"
	scriptFile = "script"
	stdinFile  = "stdin"
)

// Streams are the names of the outputs, by the index used in Outcome.
var Streams = [2]string{"stdout", "stderr"}

func numbered(name string, attempt uint32) string {
	return name + "." + strconv.FormatUint(uint64(attempt), 10)
}

// Command is the open directory of one command. Methods that write may race
// with other processes only where they say so.
type Command struct {
	dir folder
	id  string
}

// OpenCommand opens the directory, which must exist: it is never made here.
// ErrMissing: there is none.
func OpenCommand(path string) (*Command, error) {
	dir, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	return &Command{dir: dir, id: filepath.Base(path)}, nil
}

// Close lets go of the directory.
func (c *Command) Close() { c.dir.close() }

// ID returns the command's id.
func (c *Command) ID() string { return c.id }

// Path returns the path of a file in the directory, "" for its own.
func (c *Command) Path(name string) string { return filepath.Join(c.dir.path, name) }

// Spec reads what to run. ErrMissing: it was never accepted. With ErrDamaged
// comes what could be read, which is no Run.
func (c *Command) Spec() (Spec, error) { return c.readSpec(specFile) }

func (c *Command) readSpec(name string) (Spec, error) {
	data, err := c.dir.read(name, maxSpec)
	if err != nil {
		return Spec{ID: c.id}, err
	}
	spec, err := decodeSpec(data)
	if spec.ID != c.id {
		return Spec{ID: c.id}, ErrDamaged
	}
	return spec, err
}

// Confirm makes all records durable that can be seen. Whoever acts on a record
// of another process asks it first: that one may not have synced it yet.
func (c *Command) Confirm() error { return c.dir.sync() }

// Script returns the path of the script and whether it is whole.
func (c *Command) Script(s Spec) (string, error) {
	return c.Path(scriptFile), c.whole(scriptFile, s.Run.Script, MaxScript)
}

// Stdin returns the path of the standard input and whether it is whole.
func (c *Command) Stdin(s Spec) (string, error) {
	return c.Path(stdinFile), c.whole(stdinFile, s.Run.Stdin, MaxStdin)
}

func (c *Command) whole(name string, want Attachment, limit int) error {
	data, err := c.dir.read(name, limit)
	if err == nil && Attach(data) != want {
		err = ErrDamaged
	}
	return err
}

// Decide creates the record that says what attempt n is. ErrExists: somebody
// else has decided. ErrMissing: the command is no more. Any number of processes
// may race; one wins, and the record is durable before it returns.
func (c *Command) Decide(n uint32, a Attempt) error {
	if planted.Bug("claim not exclusive") {
		return c.dir.replace(numbered("attempt", n), a.encode())
	}
	return c.dir.create(numbered("attempt", n), a.encode(), true)
}

// Attempt reads who decided attempt n. ErrMissing: nobody has. ErrDamaged: it
// was decided, and cannot be read.
func (c *Command) Attempt(n uint32) (Attempt, error) {
	data, err := c.dir.read(numbered("attempt", n), maxRecord)
	if err != nil {
		return Attempt{}, err
	}
	return decodeAttempt(data)
}

// Begin records the leader of the running attempt. It is not synced: after a
// loss of power there is no leader.
func (c *Command) Begin(n uint32, s Started) error {
	return c.dir.create(numbered("run", n), s.encode(), false)
}

// Started reads the leader. ErrMissing: none was recorded.
func (c *Command) Started(n uint32) (Started, error) {
	data, err := c.dir.read(numbered("run", n), maxRecord)
	if err != nil {
		return Started{}, err
	}
	return decodeStarted(data)
}

// MarkOverdue records that the time is up and is only reported.
func (c *Command) MarkOverdue(n uint32) error {
	return c.dir.create(numbered("overdue", n), newRecord("overdue").encode(), false)
}

// Overdue reports whether it is recorded.
func (c *Command) Overdue(n uint32) bool { return c.dir.has(numbered("overdue", n)) }

// MarkEnding records why the processes of attempt n are about to be told to
// end. Whoever learns later how the leader ended, and has not told it to, would
// take that for its own doing. Not synced: after a loss of power nobody can
// learn it. ErrExists: there is a reason already, and it stays.
func (c *Command) MarkEnding(n uint32, why proc.Cause) error {
	return c.dir.create(numbered("ending", n), newRecord("ending").text("cause", causes[why]).encode(), false)
}

// Ending is the recorded reason; proc.ByItself: none can be read.
func (c *Command) Ending(n uint32) proc.Cause {
	data, err := c.dir.read(numbered("ending", n), maxRecord)
	if err != nil {
		return proc.ByItself
	}
	r, err := decode("ending", data)
	if err != nil {
		return proc.ByItself
	}
	named := r.text("cause")
	for why, name := range causes {
		if name == named && r.done() == nil {
			return why
		}
	}
	return proc.ByItself
}

// causes are the names of the reasons in a record.
var causes = map[proc.Cause]string{proc.ByTimeout: "timeout", proc.ByStop: "stop"}

// End creates the outcome of a started attempt, durable with its outputs.
// ErrExists: it has one; an outcome never changes.
func (c *Command) End(n uint32, o Outcome) error {
	for stream := range Streams {
		if err := c.syncOutput(n, stream); err != nil {
			return err
		}
	}
	return c.dir.create(numbered("exit", n), o.encode(), true)
}

// Outcome reads what became of attempt n, whoever said it. ErrMissing: it has
// not ended.
func (c *Command) Outcome(n uint32) (Outcome, error) {
	out, err := c.Exit(n)
	if !errors.Is(err, ErrMissing) {
		return out, err
	}
	a, err := c.Attempt(n)
	switch {
	case err != nil:
		return Outcome{}, err
	case a.Supervisor.IsZero():
		return a.Decided, nil
	}
	return Outcome{}, ErrMissing
}

// Exit reads the outcome of an attempt that was started. ErrMissing: there is
// none yet.
func (c *Command) Exit(n uint32) (Outcome, error) {
	data, err := c.dir.read(numbered("exit", n), maxRecord)
	if err != nil {
		return Outcome{}, err
	}
	return decodeOutcome(data)
}

// DropDamagedExit sets an unreadable outcome aside, so that another can be made.
func (c *Command) DropDamagedExit(n uint32) error {
	name := numbered("exit", n)
	if err := unix.Renameat(c.dir.fd, name, c.dir.fd, name+".damaged"); err != nil {
		return c.dir.fault("rename", name, err)
	}
	return c.dir.sync()
}

// Removed reports whether the command was removed under an open directory. Ask
// after Decide: the spec goes before the records of attempts do, so whoever
// could create a record that was there before sees that the spec is gone.
func (c *Command) Removed() bool { return !c.dir.has(specFile) }

// Stop makes the wish to stop durable. It may be repeated.
func (c *Command) Stop() error { return c.StopBecause("") }

// Stopped reports whether a stop is wished. A damaged wish is a wish.
func (c *Command) Stopped() bool {
	return c.dir.has(stopFile) && !planted.Bug("the wish to stop is not looked at")
}

// Accept makes attempt n > 1 durable. ErrExists: it was accepted before.
func (c *Command) Accept(n uint32, a Acceptance) error {
	data := a.encode()
	err := verify(data, maxRecord, func(data []byte) ([]byte, error) {
		back, err := decodeAcceptance(data)
		return back.encode(), err
	})
	if err != nil {
		return err
	}
	return c.dir.create(numbered("accept", n), data, true)
}

// Accepted reads the acceptance of attempt n > 1.
func (c *Command) Accepted(n uint32) (Acceptance, error) {
	data, err := c.dir.read(numbered("accept", n), maxRecord)
	if err != nil {
		return Acceptance{}, err
	}
	return decodeAcceptance(data)
}

// MayStart reports whether attempt n was accepted and the one before it was
// lost: the rule of the rerun, asked of the disk.
func (c *Command) MayStart(n uint32) bool {
	if n == 1 || planted.Bug("an attempt without a loss before it") {
		return true
	}
	if _, err := c.Accepted(n); err != nil {
		return false
	}
	last, err := c.Outcome(n - 1)
	if err != nil {
		return false
	}
	_, ok := task.Rerun(task.Report{Attempt: n - 1, State: last.State, Exit: last.Exit})
	return ok
}

// Latest returns the number of the greatest attempt that was accepted.
func (c *Command) Latest() uint32 {
	n := uint32(1)
	for c.dir.has(numbered("accept", n+1)) || c.dir.has(numbered("attempt", n+1)) {
		n++
	}
	return n
}

// Digest reads the cached hashes of attempt n's outputs; ErrMissing, ErrDamaged:
// hash again.
func (c *Command) Digest(n uint32) ([2]string, error) {
	data, err := c.dir.read(numbered("digest", n), maxRecord)
	if err != nil {
		return [2]string{}, err
	}
	return decodeDigest(data)
}

func decodeDigest(data []byte) ([2]string, error) {
	r, err := decode("digest", data)
	if err != nil {
		return [2]string{}, err
	}
	return [2]string{r.opt("stdout"), r.opt("stderr")}, r.done()
}

// KeepDigest caches hashes; it is not synced.
func (c *Command) KeepDigest(n uint32, sums [2]string) error {
	r := newRecord("digest").opt("stdout", sums[0]).opt("stderr", sums[1])
	return c.dir.create(numbered("digest", n), r.encode(), false)
}

// setDamagedSpecAside keeps an unreadable spec for a person.
func (c *Command) setDamagedSpecAside() error {
	if err := unix.Renameat(c.dir.fd, specFile, c.dir.fd, damagedOne); err != nil {
		return c.dir.fault("rename", specFile, err)
	}
	return c.dir.sync()
}

// Bell tells the executor, if there is one, that the command has news. It may
// be lost: the executor also looks by itself.
func (c *Command) Bell() { ring(filepath.Join(c.dir.path, "..", "..", bellFile), c.id) }

// ring writes one line to the bell, if anybody listens.
func ring(path, line string) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(fd, []byte(line+"\n"))
	unix.Close(fd)
}
