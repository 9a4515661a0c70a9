package capsule

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Kind says what a command is.
type Kind uint8

// The closed set of kinds. Zero is none of them, so that a zeroed byte never
// has a meaning; the same goes for every enum here.
const (
	Ping   Kind = 1 // answered by the agent, without a process
	Argv   Kind = 2 // a program and its arguments
	Script Kind = 3 // an interpreter and the bytes of a script
)

// TimeoutAction says what happens when a command's timeout passes.
type TimeoutAction uint8

// The closed set of timeout actions.
const (
	TimeoutKill   TimeoutAction = 1 // the whole tree is ended: TIMED_OUT
	TimeoutReport TimeoutAction = 2 // shown as overdue; the command goes on
)

// Recovery says what happens to an attempt that a crash of the host ended.
type Recovery uint8

// The closed set of recoveries.
const (
	RecoveryReport Recovery = 1 // LOST; never started twice
	RecoveryRerun  Recovery = 2 // started again, up to MaxAttempts
)

// Payload is what a user signs: one command, for these targets, in this time
// (architecture section 7). Times have nanoseconds and lie in 1970..2262; those
// that Parse returns are in UTC.
type Payload struct {
	JobID      job.ID    // UUIDv7 made by the client
	Account    string    // charged with the job; may be empty; 0..64 of [a-z0-9._-]
	Class      string    // importance; 1..32 of [a-z0-9._-]
	Selector   string    // as the user wrote it; may be empty; at most 4 KiB
	Root       Hash      // of the target tree
	Count      uint64    // leaves of the target tree, 1..MaxTargets
	NotBefore  time.Time // no attempt starts earlier
	NotAfter   time.Time // no first attempt starts later
	RerunUntil time.Time // no later attempt starts later; zero unless Recovery is rerun
	Parent     job.ID    // job that this one retries; zero: none
	Token      []byte    // issuer's token; empty as long as bundles list users; at most 16 KiB
	Command    Command
}

// Command is the execution information of a job. A ping has no field set but
// Kind, Timeout, TimeoutAction, Grace, Recovery (report) and MaxAttempts (1).
type Command struct {
	Kind          Kind
	Argv          []string // of kind argv; the first is the program
	Interpreter   []string // of kind script, with its arguments
	Script        []byte   // of kind script; 1 byte..1 MiB
	Env           []string // NAME=value, each name once
	Cwd           string   // absolute; empty: the host's default
	Stdin         []byte   // at most 1 MiB
	RunAs         string   // account on the host; empty: the executor's own; at most 64 bytes
	Limits        Limits
	Timeout       time.Duration // running time; 0: none; at most 30 days
	TimeoutAction TimeoutAction
	Grace         time.Duration // between TERM and KILL; 0: the host's default; at most 1 h
	Recovery      Recovery
	MaxAttempts   uint16 // 1 with report, 2..100 with rerun

	// What follows is signed in version 2; without it a payload is of version 1.
	Umask            *uint32       // 0..0777; nil: 022
	Rlimits          []task.Rlimit // ascending by resource, each once
	OOMScoreAdj      uint16        // 1..1000; 0: as the host has it
	LeaveDescendants bool          // what outlives the command's own process goes on
}

// Limits bounds what a command may use; zero is no limit, except that output
// has the host's default.
type Limits struct {
	OutputBytes uint64 // kept of each stream; at most 16 MiB
	MemoryBytes uint64 // of the whole tree
	CPUMillis   uint32 // thousandths of one CPU, of the whole tree
	PIDs        uint32 // processes and threads of the whole tree
	OpenFiles   uint32 // descriptors of each process
}

// StartBy is the moment after which no host starts the attempt, counted from 1.
func (p Payload) StartBy(attempt uint32) time.Time {
	if attempt > 1 && !p.RerunUntil.IsZero() {
		return p.RerunUntil
	}
	return p.NotAfter
}

// E is the moment until which a host must remember the task: the later of
// NotAfter and RerunUntil.
func (p Payload) E() time.Time {
	if p.RerunUntil.After(p.NotAfter) {
		return p.RerunUntil
	}
	return p.NotAfter
}
