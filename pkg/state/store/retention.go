package store

import (
	"context"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// Janitor removes what retention does not keep, in steps so short that whoever
// writes does not notice them. It removes jobs that are done, never another; a
// job that is quarantined is not done.
//
// A job goes in one moment for whoever asks: from then on its questions are
// answered with a *PurgedError, while its rows go in as many steps as it takes.
// Its id stays, so that it cannot be used again, until [Sweep.Forgets]; and when
// ids go the horizon rises past the time in them, in the same transaction. So of
// every id that was ever accepted the store knows for ever that it was: by the
// job, by the id, or by the horizon. An id that was lost with a restored store is
// never below the horizon: ids go at least job.MaxIDSkew after they were made,
// and are refused at the door by then.
type Janitor interface {
	// Sweep does one step, in one transaction. The epoch is of the shard
	// HostTable: one scheduler sweeps at a time, and ErrFenced says that it is
	// another by now; then nothing was removed. ErrUnavailable leaves open whether
	// the step was done; to do it again is harmless.
	Sweep(ctx context.Context, s Sweep) (Swept, error)
}

// Sweep is what is to be kept, and how far one step goes.
type Sweep struct {
	Epoch job.Epoch // of HostTable
	Now   time.Time
	// Age is how long a job is kept after it was done; 0: for ever.
	Age time.Duration
	// Bytes is what the store may hold; as long as it holds more, jobs go that
	// were done Least ago or earlier, those accepted first before the others.
	// 0: no bound.
	Bytes int64
	Least time.Duration
	// IDs is how long an id is known after its job was removed; never less than
	// until its KeepUntil.
	IDs time.Duration
	// Limit is about how many rows the step removes, from 1; large content counts
	// as several. A step removes one thing at least, however large.
	Limit int
	// Hold is about how long the step keeps others from writing, once it has its
	// turn, on a slow disk too; then it stops short of Limit. 0: no bound.
	Hold time.Duration
	// From is Next of the step before; 0 begins a pass.
	From int64
}

// Swept is what a step has done.
type Swept struct {
	Jobs  int   // that are gone from now on
	Rows  int   // removed, of the size that Limit counts
	IDs   int   // forgotten
	Bytes int64 // that the store held before the step, about
	// Next is where the pass goes on; 0: it is over, and nothing is left to do.
	Next int64
}

// Over reports whether a store of so many bytes holds more than it may.
func (s *Sweep) Over(bytes int64) bool { return s.Bytes > 0 && bytes > s.Bytes }

// Removes reports whether a job goes that was done then; over: the store holds
// more than it may. For versions of the store.
func (s *Sweep) Removes(doneAt time.Time, over bool) bool {
	age := s.Now.Sub(doneAt)
	return s.Age > 0 && age >= s.Age || over && age >= s.Least
}

// Young reports whether no job goes that was accepted then or later: what is
// accepted later is done later. For versions of the store, which look at jobs in
// the order of their acceptance and need not look further.
func (s *Sweep) Young(accepted time.Time, over bool) bool { return !s.Removes(accepted, over) }

// Forgets reports whether an id goes whose job was removed. For versions of the
// store.
func (s *Sweep) Forgets(keepUntil, removed time.Time) bool {
	return !s.Now.Before(keepUntil) && s.Now.Sub(removed) >= s.IDs
}

// Horizon is the horizon after an id has gone, if it was at before. For versions
// of the store.
func Horizon(before time.Time, gone job.ID) time.Time {
	if after := gone.Time().Add(time.Millisecond); after.After(before) { // ids are to the millisecond
		return after
	}
	return before
}

// Beyond reports whether an id that is not known was accepted and forgotten, as
// far as the horizon tells. For versions of the store.
func Beyond(id job.ID, horizon time.Time) bool { return id.Time().Before(horizon) }

// BytesPerRow is the weight of content against Limit: about what frees as many
// pages as a row. For versions of the store.
const BytesPerRow = 16 << 10

// Weight is how many rows content of so many bytes counts as. For versions of the
// store.
func Weight(bytes int) int { return 1 + bytes/BytesPerRow }
