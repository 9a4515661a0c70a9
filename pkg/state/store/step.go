package store

import (
	"context"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// Removable is for versions of the store: jobs that a step of a sweep may remove,
// in the order of their acceptance.
type Removable struct {
	Jobs   []Victim
	Looked int64 // number of the last job that was looked at
	End    bool  // there are no more
}

// Victim is one of them, by its number of acceptance.
type Victim struct {
	Seq int64
	ID  job.ID
}

// Step is for versions of the store: what one step of a sweep has done, and
// whether that is enough.
type Step struct {
	Sweep *Sweep
	Done  Swept
	left  int       // rows that may still go
	began time.Time // when it got the right to write
}

// NewStep begins a step.
func NewStep(sw *Sweep) Step { return Step{Sweep: sw, left: max(sw.Limit, 1), began: time.Now()} }

// Left is how many rows may still go.
func (s *Step) Left() int { return s.left }

// Full reports whether the step has done enough.
func (s *Step) Full() bool {
	late := s.Sweep.Hold > 0 && time.Since(s.began) >= s.Sweep.Hold
	return s.left <= 0 || late && s.Done.Rows > 0
}

// Took notes rows that have gone.
func (s *Step) Took(rows int) {
	s.left -= rows
	s.Done.Rows += rows
}

// pause notes that the pass goes on after a job, and not that it is over.
func (s *Step) pause(after int64) { s.Done.Next = max(after, 1) }

// Remover is what a version of the store does within the transaction of a step.
// Each ends when the step is full.
type Remover interface {
	// Finish goes on with jobs of which an earlier step has left some rows.
	Finish(ctx context.Context) error
	// Remove takes a job away from whoever asks, if it may still go, and begins to
	// remove its rows.
	Remove(ctx context.Context, v Victim) error
	// ForgetIDs forgets ids that are old enough; more: there may be some left.
	ForgetIDs(ctx context.Context) (more bool, err error)
}

// Run removes first what an earlier step has begun, then jobs, then ids.
func (s *Step) Run(ctx context.Context, found Removable, r Remover) error {
	if err := r.Finish(ctx); err != nil {
		return err
	}
	at := s.Sweep.From
	for _, v := range found.Jobs {
		if s.Full() {
			s.pause(at)
			return nil
		}
		if err := r.Remove(ctx, v); err != nil {
			return err
		}
		at = v.Seq
	}
	if s.Full() || !found.End {
		s.pause(max(at, found.Looked))
		return nil
	}
	more, err := r.ForgetIDs(ctx)
	if more {
		s.pause(found.Looked)
	}
	return err
}
