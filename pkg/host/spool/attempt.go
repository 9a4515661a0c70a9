package spool

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// Outcome is what became of an attempt.
type Outcome struct {
	State     task.State // a final state
	Exit      task.Exit
	Started   time.Time // of the user's process, by the host's clock; zero: it was not started
	Ended     time.Time // when it ended or was decided
	Kept, Cut [2]uint64 // bytes of stdout and stderr
	Tail      [2]uint64 // of those kept, the bytes after the cut
	Leftovers int       // descendants that outlived the leader and were ended
	Overdue   bool      // it ran past a timeout that only reports
	Message   string    // words for a person, at most 1 KiB
}

// SetOutput sets what was kept and cut of stdout (0) or stderr (1).
func (o *Outcome) SetOutput(stream int, d Drained) {
	o.Kept[stream], o.Tail[stream], o.Cut[stream] = d.Kept, d.Tail, d.Cut
}

// Output returns what was kept and cut of stdout (0) or stderr (1).
func (o *Outcome) Output(stream int) Drained {
	return Drained{Kept: o.Kept[stream], Tail: o.Tail[stream], Cut: o.Cut[stream]}
}

// Attempt is the record whose creation decides what an attempt is.
type Attempt struct {
	Supervisor proc.Identity // the end-process that runs it; zero: decided without a start
	Mark       string        // random; stands in the environment of all it starts (MarkName)
	Group      cgroup.Group  // that it makes for all it starts; zero: none
	At         time.Time
	Decided    Outcome // set if there is no supervisor: the outcome
}

// MarkName is the environment variable that carries an attempt's mark.
const MarkName = "CCS_MARK"

// PlaceName is the environment variable that tells an end-process where to make
// its cgroup: the entries of a cgroup.Place, one a line; empty or absent: nowhere.
const PlaceName = "CCS_CGROUP"

// MarkEntry is the entry of the environment by which orphans are found.
func (a Attempt) MarkEntry() string {
	if a.Mark == "" {
		return ""
	}
	return MarkName + "=" + a.Mark
}

// Started is the record of a running attempt.
type Started struct {
	Leader proc.Identity
	At     time.Time
}

// Acceptance is the record that accepts an attempt after the first.
type Acceptance struct {
	StartBy time.Time // zero: no limit
	Context []byte
}

func (r *record) identity(id proc.Identity) *record {
	return r.text("boot", id.Boot).num("pid", int64(id.PID)).size("start_ticks", id.Start)
}

func (r *reader) identity() proc.Identity {
	return proc.Identity{Boot: r.text("boot"), PID: int(r.num32("pid")), Start: r.size("start_ticks")}
}

func (r *record) outcome(o Outcome) *record {
	r.text("state", o.State.String()).opt("reason", o.Exit.Reason.String())
	r.num("exit_code", int64(o.Exit.Code)).num("signal", int64(o.Exit.Signal))
	r.when("started", o.Started).when("ended", o.Ended)
	for i, name := range [2]string{"stdout", "stderr"} {
		r.size(name+"_kept", o.Kept[i]).size(name+"_cut", o.Cut[i])
		if o.Tail[i] > 0 { // a version before this one knows of none
			r.size(name+"_tail", o.Tail[i])
		}
	}
	return r.num("leftovers", int64(o.Leftovers)).flag("overdue", o.Overdue).opt("message", clip(o.Message))
}

func (r *reader) outcome() Outcome {
	state, known := task.ParseState(r.text("state"))
	reason, named := task.ParseReason(r.opt("reason"))
	o := Outcome{State: state, Exit: task.Exit{
		Reason: reason, Code: r.num32("exit_code"), Signal: r.num32("signal"),
	}}
	sayable := task.Report{Attempt: 1, State: o.State, Exit: o.Exit}.Valid() && o.State.Final()
	r.failed = r.failed || !known || !named || !sayable
	o.Started, o.Ended = r.when("started"), r.when("ended")
	for i, name := range [2]string{"stdout", "stderr"} {
		o.Kept[i], o.Cut[i] = r.size(name+"_kept"), r.size(name+"_cut")
		if r.has(name + "_tail") {
			o.Tail[i] = r.size(name + "_tail")
			r.failed = r.failed || o.Tail[i] == 0 || o.Tail[i] > o.Kept[i]
		}
	}
	o.Leftovers, o.Overdue, o.Message = int(r.num32("leftovers")), r.flag("overdue"), r.opt("message")
	return o
}

// clip holds a message to its limit.
func clip(s string) string {
	const limit = 1 << 10
	if len(s) <= limit {
		return s
	}
	return s[:limit]
}

func (a Attempt) encode() []byte {
	r := newRecord("attempt").when("at", a.At)
	if a.Supervisor.IsZero() {
		return r.text("by", "executor").outcome(a.Decided).encode()
	}
	return r.text("by", "end-process").identity(a.Supervisor).text("mark", a.Mark).list("cgroup", a.Group.Entries()).encode()
}

func decodeAttempt(data []byte) (Attempt, error) {
	r, err := decode("attempt", data)
	if err != nil {
		return Attempt{}, err
	}
	a := Attempt{At: r.when("at")}
	switch r.text("by") {
	case "executor":
		a.Decided = r.outcome()
	case "end-process":
		a.Supervisor, a.Mark = r.identity(), r.text("mark")
		a.Group, err = cgroup.ParseGroup(r.list("cgroup"))
		r.failed = r.failed || err != nil
	default:
		return Attempt{}, ErrDamaged
	}
	return a, r.done()
}

func (s Started) encode() []byte {
	return newRecord("run").identity(s.Leader).when("at", s.At).encode()
}

func decodeStarted(data []byte) (Started, error) {
	r, err := decode("run", data)
	if err != nil {
		return Started{}, err
	}
	s := Started{Leader: r.identity(), At: r.when("at")}
	return s, r.done()
}

func (o Outcome) encode() []byte { return newRecord("exit").outcome(o).encode() }

func decodeOutcome(data []byte) (Outcome, error) {
	r, err := decode("exit", data)
	if err != nil {
		return Outcome{}, err
	}
	o := r.outcome()
	return o, r.done()
}

func (a Acceptance) encode() []byte {
	return newRecord("accept").when("start_by", a.StartBy).opt("context", string(a.Context)).encode()
}

func decodeAcceptance(data []byte) (Acceptance, error) {
	r, err := decode("accept", data)
	if err != nil {
		return Acceptance{}, err
	}
	a := Acceptance{StartBy: r.when("start_by"), Context: []byte(r.opt("context"))}
	return a, r.done()
}
