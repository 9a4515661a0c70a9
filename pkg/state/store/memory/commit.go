package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Commit applies the batches, each for itself: nobody sees the store between
// two of them, because the mutex is held.
func (s *Store) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot commit: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	failure := s.nextFailure()
	if failure == BeforeApply {
		return nil, fmt.Errorf("cannot commit: %w: %w", store.ErrUnavailable, errInjected)
	}
	results := make([]store.Result, len(batches))
	order := make([]int, len(batches))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(batches[a].Number, batches[b].Number) })
	for _, i := range order {
		results[i] = s.apply(&batches[i])
	}
	if failure == AfterApply {
		return nil, fmt.Errorf("cannot commit: %w: %w", store.ErrUnavailable, errInjected)
	}
	return results, nil
}

func (s *Store) apply(b *store.Batch) (r store.Result) {
	again, err := s.check(b)
	if err != nil {
		return store.Result{Err: err}
	}
	if again {
		r.Again = true
		for i := range b.Jobs {
			made := s.ids[b.Jobs[i].ID]
			if b.Jobs[i].Create != nil && (made.epoch != b.Epoch || made.number != b.Number) {
				r.Existing = append(r.Existing, &store.ExistsError{Identity: s.identity(b.Jobs[i].ID)})
			} else if s.purged(b.Jobs[i].ID) {
				r.Purged = append(r.Purged, b.Jobs[i].ID)
			}
		}
		return r
	}
	for i := range b.Jobs {
		s.applyJob(b, &b.Jobs[i], &r)
	}
	for _, h := range b.Hosts {
		s.hostOrder = append(s.hostOrder, h.ID)
		r.HostRevision = uint64(len(s.hostOrder))
		h.Revision = r.HostRevision
		s.hosts[h.ID] = cloneHost(h)
	}
	claims := s.shards[b.Shard]
	claims[len(claims)-1].batch = b.Number
	return r
}

func (s *Store) applyJob(b *store.Batch, jb *store.JobBatch, r *store.Result) {
	_, taken := s.ids[jb.ID]
	gone := s.purged(jb.ID)
	switch {
	case jb.Create != nil && (taken || gone):
		r.Existing = append(r.Existing, &store.ExistsError{Identity: s.identity(jb.ID)})
		return
	case gone:
		r.Purged = append(r.Purged, jb.ID)
		return
	case jb.Create != nil:
		s.create(b, jb)
	}
	s.jobs[jb.ID].put(jb)
}

// check gives the verdict on a batch before any of it is written.
func (s *Store) check(b *store.Batch) (again bool, err error) {
	var c claim
	if claims := s.shards[b.Shard]; len(claims) > 0 {
		c = claims[len(claims)-1]
	}
	if c.epoch != b.Epoch || b.Epoch.Generation != s.generation {
		return false, fmt.Errorf("batch %d of shard %s came under claim %d of generation %d, the store is at claim %d of generation %d: %w",
			b.Number, b.Shard, b.Epoch.N, b.Epoch.Generation, c.epoch.N, s.generation, store.ErrFenced)
	}
	if b.Number == 0 || b.Number > c.batch+1 {
		return false, fmt.Errorf("batch %d of shard %s comes after batch %d: %w: numbers have no gaps", b.Number, b.Shard, c.batch, store.ErrBatch)
	}
	if b.Number <= c.batch {
		return true, nil
	}
	return false, s.checkJobs(b)
}

func (s *Store) checkJobs(b *store.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	for i := range b.Jobs {
		jb := &b.Jobs[i]
		if known, taken := s.ids[jb.ID]; jb.Create == nil && (!taken && !s.purged(jb.ID) || taken && known.Shard != b.Shard) {
			return fmt.Errorf("batch %d of shard %s: %w: job %s is not in it", b.Number, b.Shard, store.ErrBatch, jb.ID)
		}
	}
	return nil
}

func (s *Store) create(b *store.Batch, jb *store.JobBatch) {
	s.order = append(s.order, jb.ID)
	s.seq++
	s.ids[jb.ID] = identity{
		Identity: store.Identity{ID: jb.ID, Shard: b.Shard, Digest: jb.Create.Digest},
		epoch:    b.Epoch, number: b.Number, keepUntil: jb.Create.KeepUntil,
	}
	create := *jb.Create
	create.Capsule = slices.Clone(create.Capsule)
	create.Spec = cloneSpec(create.Spec)
	s.jobs[jb.ID] = &stored{
		seq: s.seq, create: create,
		released: map[uint32]bool{}, tasks: map[uint32]job.TaskRow{},
		controls: map[string]job.ControlRow{}, outputs: map[[32]byte][]byte{},
	}
}

// put writes what changed in a job.
func (j *stored) put(jb *store.JobBatch) {
	if jb.Persist.Row != nil {
		j.row = *jb.Persist.Row
	}
	for _, ordinal := range jb.Persist.Released {
		j.released[ordinal] = true
	}
	for _, row := range jb.Persist.Tasks {
		j.tasks[row.Ordinal] = cloneTask(row)
	}
	for _, c := range jb.Persist.Controls {
		j.controls[c.RequestID] = c
	}
	for _, o := range jb.Outputs {
		if _, kept := j.outputs[o.Digest]; !kept {
			j.outputs[o.Digest] = slices.Clone(o.Content)
		}
	}
}
