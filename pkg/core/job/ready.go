package job

import "github.com/ccs-project/ccs/pkg/core/task"

// Ready is what the caller owes a machine, in this order: persist everything in
// it in one transaction, and only then send anything in it. A Ready that could
// not be persisted is not retried with another: the owner that cannot write
// drops the machine and restores it from the store. All lists are ascending by
// ordinal.
//
// The order goes across Readys as well. A Forget with an empty Persist is the
// answer to an outcome that was heard again, and says that it is durable; it is
// an earlier Ready that made it so, and that one must have been committed. A
// shell that commits one Ready before it asks for the next (serial, as the
// shard is) has that for nothing. One that asks for more while a commit is under
// way must hold back everything that it is to send, Persist empty or not, until
// all commits before it have succeeded; else a host may forget what a failed
// commit has lost.
type Ready struct {
	Persist Persist
	Send    Send
	Changed []uint32 // tasks that look different to who watches, durable or not
	Settled bool     // true once in the life of a job: now all of its targets are settled
}

// Persist is what must become durable together.
type Persist struct {
	Row      *Row     // nil: nothing is to be persisted
	Released []uint32 // newly released ordinals
	Tasks    []TaskRow
	Controls []ControlRow
}

// Send is what may go out once Persist is durable. All of it may be repeated or
// lost without harm. It goes to where the host is attached then; what cannot be
// routed is dropped, and comes again when the host is reached.
type Send struct {
	Dispatch []Dispatch
	Wishes   []Wish
	Forget   []uint32 // outcomes of these are durable: their hosts may forget them
	Query    []uint32 // what is known of these?
}

// Dispatch hands a released task to its host, with the wish in force.
type Dispatch struct {
	Ordinal uint32
	Attempt uint32       // from 1
	Want    task.Desired // run, withdraw or stop
}

// Wish says to a host that knows a task what is wanted of it.
type Wish struct {
	Ordinal uint32
	Attempt uint32       // from 1
	Want    task.Desired // withdraw or stop
}

// Empty reports whether nothing is owed.
func (r *Ready) Empty() bool {
	return r.Persist.Row == nil && r.Send.Empty() && len(r.Changed) == 0 && !r.Settled
}

// Empty reports whether nothing is to be sent.
func (s *Send) Empty() bool {
	return len(s.Dispatch) == 0 && len(s.Wishes) == 0 && len(s.Forget) == 0 && len(s.Query) == 0
}
