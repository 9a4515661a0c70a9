package sim

import (
	"fmt"
	"strings"
	"time"
)

// Fault is a kind of thing that goes wrong.
type Fault uint32

// The kinds of faults.
const (
	SchedulerCrash  Fault = 1 << iota // between any two of step, commit, reply and send, too
	SchedulerFreeze                   // an owner that wakes up when another has long taken over
	StoreDown
	LostReply // of the store: applied or not, nobody knows
	StoreRestore
	CoordDown
	AggregatorCrash
	StreamBreak
	Partition // one way or both
	Loss      // of numbered messages
	Duplicate
	Delay
	AgentKill
	ExecutorKill
	EndProcessKill
	Reboot
	Wipe // of the host's state
	Clock
	Unclear   // a process that cannot be looked at
	HostGone  // for good
	PushOff   // commands wait for heartbeats
	UserRuns  // pauses, resumes and cancels, at bad moments
	lastFault // not one
)

// AllFaults is every kind.
const AllFaults = lastFault - 1

var faultNames = []string{
	"scheduler-crash", "scheduler-freeze", "store-down", "lost-reply", "store-restore", "coord-down", "aggregator-crash",
	"stream-break", "partition", "loss", "duplicate", "delay", "agent-kill", "executor-kill", "end-process-kill", "reboot",
	"wipe", "clock", "unclear", "host-gone", "push-off", "user",
}

// String lists the kinds.
func (f Fault) String() string {
	var names []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseFaults reads what String has written.
func ParseFaults(text string) (Fault, error) {
	var f Fault
	for name := range strings.SplitSeq(text, ",") {
		found := name == ""
		for i, known := range faultNames {
			if name == known {
				f, found = f|1<<i, true
			}
		}
		if !found {
			return 0, fmt.Errorf("cannot read faults: there is no %q; there are %s", name, AllFaults)
		}
	}
	return f, nil
}

// Options say which world is run. The zero value of all but Seed is what the
// seed says.
type Options struct {
	Seed    uint64
	Without Fault         // kinds that are left out
	Hosts   int           // at most; 0: as the seed says
	Skip    uint          // jobs that are never submitted, as bits
	Calm    time.Duration // when the faults stop; 0: as the seed says
	Script  bool          // write the transcript
	Whole   bool          // and leave out nothing
	Bug     string        // planted; see Bugs
}

// String is the options as arguments that run them again.
func (o Options) String() string {
	text := fmt.Sprintf("-seed=%d", o.Seed)
	if o.Without != 0 {
		text += " -without=" + o.Without.String()
	}
	if o.Hosts > 0 {
		text += fmt.Sprintf(" -hosts=%d", o.Hosts)
	}
	if o.Skip > 0 {
		text += fmt.Sprintf(" -skip=%d", o.Skip)
	}
	if o.Calm > 0 {
		text += " -calm=" + o.Calm.String()
	}
	return text
}

// Violation is a promise that was broken.
type Violation struct {
	Promise Promise
	At      time.Duration // since the world began
	Step    int
	Text    string
}

// String is for a person.
func (v Violation) String() string {
	return fmt.Sprintf("promise %s is broken %s after the beginning, in step %d: %s", v.Promise, v.At, v.Step, v.Text)
}

// Result is what came of a run.
type Result struct {
	Broken  *Violation // the first; nil: all promises were kept
	Steps   int
	Faults  Fault         // kinds that the seed has switched on
	Lasted  time.Duration // virtual
	Script  []string
	Tally   Tally
	Options Options

	plans []*plan
}
