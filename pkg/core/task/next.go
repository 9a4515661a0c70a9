package task

// Desired is what the scheduler wants of a task. It has one writer, the
// scheduler, and only ever grows: stopping is a desire, not a state.
type Desired uint8

// The wishes, in the order in which they outrank each other.
const (
	DesiredRun      Desired = 64  // let it run
	DesiredWithdraw Desired = 96  // do not start it; if it has started, let it go on
	DesiredStop     Desired = 128 // do not start it; if it runs, end its whole tree
	DesiredGone     Desired = 192 // its outcome is durable above: forget it
)

// String names the wish.
func (d Desired) String() string {
	switch d {
	case DesiredRun:
		return "run"
	case DesiredWithdraw:
		return "withdraw"
	case DesiredStop:
		return "stop"
	case DesiredGone:
		return "gone"
	}
	return "unspecified"
}

// Action is the one next thing that a host must do for a task.
type Action uint8

// The actions.
const (
	Wait   Action = iota // nothing is owed; something else must happen first
	Accept               // verify it and put it on the executor's disk
	Spawn                // start its end-process
	Stop                 // end its whole tree
	Drop                 // record it as CANCELED before start
	Forget               // leave a tombstone and delete the rest
)

// String names the action.
func (a Action) String() string {
	names := [...]string{"wait", "accept", "spawn", "stop", "drop", "forget"}
	if int(a) < len(names) {
		return names[a]
	}
	return "unspecified"
}

// Next is the host's whole policy: what it has seen, what is wanted, and so the
// one thing to do. It is level-triggered: asked again before the action had its
// effect it answers the same, so every action must be idempotent.
//
// A host that is told to stop or forget what it does not know asks with
// DISPATCHED: only what was released is ever wished for. Gone before the end
// works as Stop first, because the host forgets nothing that may still run.
//
// Whether it has started only the attempt's record says, and ACCEPTED may be of
// the moment before it was made: a Drop that finds one leaves what runs alone
// if the wish is to withdraw, and ends it if the wish is to stop.
func Next(seen Report, want Desired) Action {
	switch {
	case want < DesiredRun || seen.State < Dispatched || seen.State == Unknown:
		return Wait // not released to this host, or not a host's own knowledge
	case seen.State.Final():
		if want >= DesiredGone {
			return Forget
		}
		return Wait
	case want >= DesiredWithdraw && seen.State < Starting:
		return Drop
	case want >= DesiredStop, want == DesiredWithdraw && bug("what is withdrawn is killed"):
		return Stop
	case seen.State < Accepted:
		return Accept
	case seen.State < Starting:
		return Spawn
	}
	return Wait
}
