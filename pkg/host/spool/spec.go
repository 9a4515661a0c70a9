package spool

import (
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Limits of a command (contract of the executor's API).
const (
	MaxID      = 64
	MaxScript  = 1 << 20
	MaxStdin   = 1 << 20
	MaxArgs    = 128 << 10
	MaxContext = 4 << 10
	MaxPath    = 4 << 10 // of the working directory
	MaxAccount = 256
	MaxKept    = 16 << 20

	DefaultKept  = 1 << 20
	DefaultGrace = 10 * time.Second
)

// Spec is a command as it was accepted. It never changes afterwards.
type Spec struct {
	ID            string    // opaque, 1..64 of [a-z0-9-]
	SlotGroup     string    // opaque; empty: the default group
	StartBy       time.Time // the first attempt is not started later; zero: no limit
	RememberUntil time.Time // E; zero in a spec that was lost
	Accepted      time.Time // when it was accepted: the order of starting
	Context       []byte    // opaque bytes of the caller, at most MaxContext
	Run           Run
}

// Run is what to run.
type Run struct {
	Argv        []string // program and arguments; empty with a script
	Interpreter []string // of the script, with its arguments
	Env         []string // additions, NAME=value
	Dir         string   // working directory; empty: /
	Account     string   // account to run as; empty: the executor's own
	Keep        uint64   // bytes kept of each output, 1..MaxKept
	Timeout     time.Duration
	Grace       time.Duration // between TERM and KILL
	ReportOnly  bool          // the timeout is only reported
	Script      Attachment
	Stdin       Attachment

	Limits           Limits
	Umask            *uint32       // 0..0777; nil: 022
	Rlimits          []task.Rlimit // ascending by resource, each once
	OOMScoreAdj      uint16        // 1..1000; 0: that of the executor, but not below 0
	LeaveDescendants bool          // what outlives the command's own process goes on
}

// Limits bounds what the tree of a command may use; zero is no limit.
type Limits struct {
	MemoryBytes uint64 // of the whole tree
	CPUMillis   uint32 // thousandths of one CPU, of the whole tree
	PIDs        uint32 // processes and threads of the whole tree
	OpenFiles   uint32 // descriptors of each process
}

// Plain reports whether nothing is asked for that programs before these settings
// did not know: they would run it without.
func (r Run) Plain() bool {
	return r.Limits == Limits{} && r.Umask == nil && len(r.Rlimits) == 0 && r.OOMScoreAdj == 0 && !r.LeaveDescendants
}

// Attachment is a file beside the spec.
type Attachment struct {
	Present bool
	Size    uint64
	Sum     uint32 // CRC-32C: against damage, not against people
}

// Attach describes the bytes; nil bytes are no attachment.
func Attach(data []byte) Attachment {
	if data == nil {
		return Attachment{}
	}
	return Attachment{Present: true, Size: uint64(len(data)), Sum: crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))}
}

// CheckID reports whether the id can name a directory.
func CheckID(id string) error {
	ok := len(id) >= 1 && len(id) <= MaxID
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return errors.New("the command id must be 1..64 of [a-z0-9-]")
	}
	return nil
}

// Check reports every fault of a specification that is to be accepted.
func (s Spec) Check() error {
	faults := []error{CheckID(s.ID)}
	fault := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, errors.New(text))
		}
	}
	r := s.Run
	fault(s.RememberUntil.IsZero(), "remember_until is missing")
	fault(len(s.SlotGroup) > MaxID, "slot_group is longer than 64 bytes")
	fault(len(s.Context) > MaxContext, "context is longer than 4 KiB")
	fault(!r.Script.Present && len(r.Argv) == 0, "argv is empty and there is no script")
	fault(r.Script.Present && len(r.Interpreter) == 0, "the script has no interpreter")
	fault(r.Script.Present && len(r.Argv) > 0, "there are both argv and a script")
	fault(!r.Script.Present && len(r.Interpreter) > 0, "the interpreter has no script")
	fault(r.Script.Size > MaxScript, "the script is longer than 1 MiB")
	fault(r.Stdin.Size > MaxStdin, "stdin is longer than 1 MiB")
	fault(r.Keep > MaxKept, "output_limit is over 16 MiB")
	fault(r.Timeout < 0 || r.Grace < 0, "timeout and grace must not be negative")
	fault(hasZero(r.Argv, r.Interpreter, r.Env, []string{r.Dir, r.Account}), "a text holds a zero byte")
	fault(total(r.Argv, r.Interpreter, r.Env) > MaxArgs, "argv and env are longer than 128 KiB together")
	fault(len(r.Dir) > MaxPath, "cwd is longer than 4 KiB")
	fault(len(r.Account) > MaxAccount, "run_as is longer than 256 bytes")
	fault(r.Umask != nil && *r.Umask > task.MaxUmask, "umask is over 0777")
	fault(r.OOMScoreAdj > task.MaxOOMScoreAdj, "oom_score_adj is over 1000")
	if text := task.RlimitFault(r.Rlimits); text != "" {
		fault(true, text)
	}
	return errors.Join(faults...)
}

func total(lists ...[]string) (n int) {
	for _, list := range lists {
		for _, s := range list {
			n += len(s) + 1
		}
	}
	return n
}

func hasZero(lists ...[]string) bool {
	for _, list := range lists {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return true
			}
		}
	}
	return false
}

func (a Attachment) put(r *record, name string) {
	if a.Present {
		r.size(name+"_size", a.Size).size(name+"_sum", uint64(a.Sum))
	}
}

func (r *reader) attachment(name string) Attachment {
	if len(r.values[name+"_size"]) == 0 {
		return Attachment{}
	}
	return Attachment{Present: true, Size: r.size(name + "_size"), Sum: r.uint32(name + "_sum")}
}

// encode writes what to run between two copies of what must survive damage:
// whose command it is and until when it is remembered. Each has a sum.
func (s Spec) encode() []byte {
	head := newRecord("head").text("command", s.ID).opt("slot_group", s.SlotGroup).
		when("accepted", s.Accepted).when("start_by", s.StartBy).when("remember_until", s.RememberUntil).
		opt("context", string(s.Context)).encode()
	r := newRecord("spec").text("command", s.ID)
	r.list("argv", s.Run.Argv).list("interpreter", s.Run.Interpreter).list("env", s.Run.Env)
	r.opt("cwd", s.Run.Dir).opt("run_as", s.Run.Account).size("output_limit", s.Run.Keep)
	r.text("timeout", s.Run.Timeout.String()).text("grace", s.Run.Grace.String())
	r.flag("timeout_report_only", s.Run.ReportOnly)
	s.Run.Script.put(r, "script")
	s.Run.Stdin.put(r, "stdin")
	s.Run.putSettings(r)
	file := append(slices.Clip(head), r.encode()...)
	return append(file, head...)
}

// decodeSpec returns what could be read also with ErrDamaged: the head, without
// a run.
func decodeSpec(data []byte) (Spec, error) {
	const first, middle, all = 0, 1, 3
	pieces := parts(data)
	s, err := decodeHead(pieces[first])
	if err != nil {
		s, err = decodeHead(pieces[len(pieces)-1])
	}
	if len(pieces) != all || err != nil {
		return s, ErrDamaged
	}
	id, run, err := decodeRun(pieces[middle])
	if err != nil || id != s.ID {
		return s, ErrDamaged
	}
	s.Run = run
	return s, nil
}

func decodeHead(data []byte) (Spec, error) {
	r, err := decode("head", data)
	if err != nil {
		return Spec{}, err
	}
	s := Spec{
		ID: r.text("command"), SlotGroup: r.opt("slot_group"),
		Accepted: r.when("accepted"), StartBy: r.when("start_by"), RememberUntil: r.when("remember_until"),
		Context: []byte(r.opt("context")),
	}
	if err := r.done(); err != nil {
		return Spec{}, err
	}
	return s, nil
}

func decodeRun(data []byte) (id string, run Run, err error) {
	r, err := decode("spec", data)
	if err != nil {
		return "", Run{}, err
	}
	id = r.text("command")
	run = Run{
		Argv: r.list("argv"), Interpreter: r.list("interpreter"), Env: r.list("env"),
		Dir: r.opt("cwd"), Account: r.opt("run_as"), Keep: r.size("output_limit"),
		Timeout: r.duration("timeout"), Grace: r.duration("grace"), ReportOnly: r.flag("timeout_report_only"),
		Script: r.attachment("script"), Stdin: r.attachment("stdin"),
	}
	r.settings(&run)
	return id, run, r.done()
}

func (r *reader) duration(key string) time.Duration {
	d, err := time.ParseDuration(r.text(key))
	r.failed = r.failed || err != nil
	return d
}
