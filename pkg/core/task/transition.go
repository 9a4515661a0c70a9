package task

import "iter"

// Actor is a component that is allowed to advance a task.
type Actor uint8

// The actors.
const (
	Scheduler  Actor = iota + 1
	Agent            // decides what is refused; answers pings
	Executor         // owns what is on the host's disk
	EndProcess       // creates the attempt's record and watches the process
)

// String names the actor as the documents do.
func (a Actor) String() string {
	names := [...]string{"nobody", "scheduler", "agent", "executor", "end-process"}
	if int(a) < len(names) {
		return names[a]
	}
	return "nobody"
}

// Transition is one edge of the protocol: who may advance a task of one
// attempt from one state to another, and when.
type Transition struct {
	By       Actor
	From, To State
	When     string // in a few words, for documents and explanations
}

const (
	whenSettleBy = "no outcome was heard by its settle-by"
	whenInferred = "its host has a new incarnation, or answers after a restore of the store PAST_W or that it was let forget it"
	whenPastW    = "its host answers PAST_W under the store generation that released it"
	whenTakeOver = "its end-process died and the executor could wait for the leader"
)

// transitions is the whole protocol, grouped by who may; docs/states.md is
// generated from it. An edge has one owner but for those that its group names.
var transitions = [...]Transition{
	{Scheduler, Unspecified, Pending, "the job is accepted"},
	{Scheduler, Pending, Dispatched, "released, and the release is durable"},
	{Scheduler, Pending, Skipped, "the job was aborted or canceled, its deadline passed, or its host has a new incarnation"},
	{Scheduler, Pending, Canceled, "canceled before it was released"},
	{Scheduler, Pending, Expired, "the start-by passed before it was released"},
	{Scheduler, Dispatched, Unknown, whenSettleBy},
	{Scheduler, Accepted, Unknown, whenSettleBy},
	{Scheduler, Starting, Unknown, whenSettleBy},
	{Scheduler, Running, Unknown, whenSettleBy},
	{Scheduler, Dispatched, Lost, whenInferred},
	{Scheduler, Accepted, Lost, whenInferred},
	{Scheduler, Starting, Lost, whenInferred}, // shared with the executor
	{Scheduler, Running, Lost, whenInferred},  // shared with the executor
	{Scheduler, Unknown, Lost, whenInferred},
	{Scheduler, Dispatched, Expired, whenPastW}, // shared with the agent
	{Scheduler, Unknown, Expired, whenPastW},

	{Agent, Dispatched, Refused, "verification, policy or a local freeze forbids it"},
	{Agent, Dispatched, Expired, "the start-by passed before the executor had it"},
	{Agent, Dispatched, Canceled, "a ping that is told to stop, or withdrawn"},
	{Agent, Dispatched, Succeeded, "a ping: answered without a process and without a record"},

	{Executor, Dispatched, Accepted, "its specification is synced to disk"},
	{Executor, Dispatched, Canceled, "told to stop or to withdraw what it does not know; shared with the agent's pings"},
	// Before the start, whoever creates the attempt's record first has decided:
	// the next three are shared with the end-process.
	{Executor, Accepted, Canceled, "told to stop, or withdrawn, before the attempt's record exists"},
	{Executor, Accepted, Expired, "the start-by passed before the attempt's record exists"},
	{Executor, Accepted, StartFailed, "no end-process could be started"},
	{Executor, Starting, Lost, "the host was rebooted, or the end-process died and left no tree"},
	{Executor, Running, Lost, "the host was rebooted, or the end-process died and nobody could wait for the leader"},
	// Take-over: shared with the end-process, which must be dead.
	{Executor, Running, Canceled, whenTakeOver},
	{Executor, Running, TimedOut, whenTakeOver},
	{Executor, Running, Failed, whenTakeOver},
	{Executor, Running, Succeeded, whenTakeOver},

	{EndProcess, Accepted, Starting, "it created the attempt's record"},
	{EndProcess, Accepted, Canceled, "it found the wish to stop before it created the attempt's record"},
	{EndProcess, Accepted, Expired, "it found the start-by passed before it created the attempt's record"},
	{EndProcess, Accepted, StartFailed, "it found that it cannot start it before it created the attempt's record"},
	{EndProcess, Starting, Running, "the user's process runs"},
	{EndProcess, Starting, StartFailed, "the user's process could not be started"},
	{EndProcess, Starting, Canceled, "it found the wish to stop before it started the user's process"},
	{EndProcess, Running, Canceled, "killed on request; the whole tree is gone"},
	{EndProcess, Running, TimedOut, "killed for its timeout; the whole tree is gone"},
	{EndProcess, Running, Failed, "the leader ended with another exit status than 0, or by a signal that was not ours"},
	{EndProcess, Running, Succeeded, "the leader ended with exit status 0"},
}

// May reports whether an actor may itself advance a task from one state to
// another within one attempt. What a peer reports does not go through May: it
// goes through Join. The next attempt is not an edge either: see Rerun.
func May(by Actor, from, to State) bool {
	for i := range transitions {
		if e := &transitions[i]; e.By == by && e.From == from && e.To == to {
			return true
		}
	}
	return false
}

// Transitions yields every edge in the order of the table: by actor, then as a
// task goes.
func Transitions() iter.Seq[Transition] {
	return func(yield func(Transition) bool) {
		for i := range transitions {
			if !yield(transitions[i]) {
				return
			}
		}
	}
}
