package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// identity is what is known of an id; the mutex is held.
func (s *Store) identity(id job.ID) store.Identity {
	known, ok := s.ids[id]
	if !ok {
		known.ID = id
	}
	return known.Identity
}

// purged reports whether retention has removed a job; the mutex is held.
func (s *Store) purged(id job.ID) bool {
	known, ok := s.ids[id]
	return ok && !known.Removed.IsZero() || !ok && store.Beyond(id, s.horizon)
}

// missing says why a job is not there; the mutex is held.
func (s *Store) missing(id job.ID) error {
	if s.purged(id) {
		return &store.PurgedError{Identity: s.identity(id)}
	}
	return fmt.Errorf("job %s: %w", id, store.ErrNotFound)
}

// Sweep removes jobs whole, and ids.
func (s *Store) Sweep(ctx context.Context, sw store.Sweep) (done store.Swept, err error) {
	if err := ctx.Err(); err != nil {
		return done, fmt.Errorf("cannot sweep: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var c claim
	if claims := s.shards[store.HostTable()]; len(claims) > 0 {
		c = claims[len(claims)-1]
	}
	if c.epoch != sw.Epoch || c.epoch.Generation != s.generation {
		return done, fmt.Errorf("cannot sweep under claim %d of generation %d: %w", sw.Epoch.N, sw.Epoch.Generation, store.ErrFenced)
	}
	done.Bytes = s.bytes()
	if !s.sweepJobs(&sw, &done) {
		s.sweepIDs(&sw, &done)
	}
	return done, nil
}

// sweepJobs removes jobs in the order of their acceptance; more: the step is full.
func (s *Store) sweepJobs(sw *store.Sweep, done *store.Swept) (more bool) {
	held := done.Bytes
	for _, id := range slices.Clone(s.order) {
		j := s.jobs[id]
		over := sw.Over(held)
		if j.seq <= sw.From {
			continue
		}
		if sw.Young(j.create.Spec.Created, over) {
			return false
		}
		if j.row.State != job.Done || !sw.Removes(s.doneAt(id, j), over) {
			continue
		}
		if done.Rows >= sw.Limit {
			return true
		}
		known := s.ids[id]
		known.Removed = sw.Now
		s.ids[id] = known
		delete(s.jobs, id)
		s.order = slices.DeleteFunc(s.order, func(o job.ID) bool { return o == id })
		done.Next, held = j.seq, held-j.bytes()
		done.Jobs++
		done.Rows += j.weight()
	}
	return false
}

// doneAt is when a job was done. Of one that cannot be decoded it is only known
// that nothing of it happens after its id may go.
func (s *Store) doneAt(id job.ID, j *stored) (at time.Time) {
	if at = j.row.DoneAt; at.IsZero() || s.damaged[id] {
		at = j.create.KeepUntil
	}
	return at
}

func (s *Store) sweepIDs(sw *store.Sweep, done *store.Swept) {
	for id, known := range s.ids {
		if known.Removed.IsZero() || !sw.Forgets(known.keepUntil, known.Removed) {
			continue
		}
		if done.Rows >= sw.Limit && done.Rows > 0 {
			done.Next = max(done.Next, sw.From, 1)
			return
		}
		s.horizon = store.Horizon(s.horizon, id)
		delete(s.ids, id)
		delete(s.damaged, id)
		done.IDs++
		done.Rows++
	}
	done.Next = 0
}

func (j *stored) weight() int {
	rows := 1 + len(j.tasks) + len(j.controls)
	for _, content := range j.outputs {
		rows += store.Weight(len(content))
	}
	return rows
}

// What things weigh, in bytes, about.
const (
	jobBytes  = 1 << 10
	taskBytes = 256
)

func (j *stored) bytes() int64 {
	n := jobBytes + len(j.create.Capsule) + taskBytes*len(j.tasks)
	for _, content := range j.outputs {
		n += len(content)
	}
	return int64(n)
}

func (s *Store) bytes() (n int64) {
	for _, j := range s.jobs {
		n += j.bytes()
	}
	return n
}
