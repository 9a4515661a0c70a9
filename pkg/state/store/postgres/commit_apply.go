package postgres

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// writes is what the batches of a commit come to, all of them together. found
// is kept up to date, so that a batch builds on those before it.
type writes struct {
	found *found

	shards  []job.ShardID // by which each batch is
	numbers []uint64

	created  []creation
	rows     []change[*codec.Job]
	pieces   map[piece]bool // of found, that have changed
	tasks    []change[codec.Task]
	outputs  []change[codec.Output]
	controls []change[codec.Control]
	hosts    []codec.Host
	revised  map[int]int // by the index of a result: how many of hosts are its own or before
}

func newWrites(f *found) *writes {
	return &writes{found: f, pieces: map[piece]bool{}, revised: map[int]int{}}
}

type creation struct {
	holder
	create  *store.Create
	encoded *codec.Job
}

// change is a row of a job.
type change[T any] struct {
	job job.ID
	row T
}

// apply adds one batch, or says why it is none. A result with an error means
// that nothing of it was added. index is that of the result.
func (w *writes) apply(index int, b *store.Batch, e *codec.Batch) (r store.Result) {
	again, err := w.found.verdict(b)
	if err == nil && !again {
		err = w.checkJobs(b)
	}
	if err != nil {
		return store.Result{Err: err}
	}
	by := writtenBy{b.Epoch, b.Number}
	for i := range b.Jobs {
		jb := &b.Jobs[i]
		if !w.found.inTheWay(&r, jb, by, again) && !again {
			w.applyJob(b.Shard, by, jb, &e.Jobs[i])
		}
	}
	if again {
		r.Again = true
		return r
	}
	if len(e.Hosts) > 0 {
		w.hosts = append(w.hosts, e.Hosts...)
		w.revised[index] = len(w.hosts)
	}
	claim := w.found.claims[b.Shard]
	claim.batch = b.Number
	w.found.claims[b.Shard] = claim
	w.shards, w.numbers = append(w.shards, b.Shard), append(w.numbers, b.Number)
	return r
}

// inTheWay notes what keeps a part of a batch from being written, and reports
// whether anything does.
func (f *found) inTheWay(r *store.Result, b *store.JobBatch, by writtenBy, again bool) bool {
	if !again {
		by = writtenBy{}
	}
	if b.Create != nil {
		if existing := f.existing(b.ID, by); existing != nil {
			r.Existing = append(r.Existing, existing)
			return true
		}
		if !again {
			return false
		}
	}
	if f.purged(b.ID) {
		r.Purged = append(r.Purged, b.ID)
		return true
	}
	return false
}

func (w *writes) checkJobs(b *store.Batch) error {
	for i := range b.Jobs {
		if id := b.Jobs[i].ID; b.Jobs[i].Create == nil && w.found.jobs[id] != b.Shard && !w.found.purged(id) {
			return fmt.Errorf("batch %d of shard %s: %w: job %s is not in it", b.Number, b.Shard, store.ErrBatch, id)
		}
	}
	return nil
}

func (w *writes) applyJob(shard job.ShardID, by writtenBy, b *store.JobBatch, e *codec.Job) {
	if b.Create != nil {
		held := holder{store.Identity{ID: b.ID, Shard: shard, Digest: b.Create.Digest}, by}
		w.found.taken[b.ID], w.found.jobs[b.ID] = held, shard
		w.created = append(w.created, creation{held, b.Create, e})
	} else if e.Row != nil {
		w.rows = append(w.rows, change[*codec.Job]{b.ID, e})
	}
	for _, ordinal := range b.Persist.Released {
		p := piece{b.ID, ordinal / codec.Piece}
		w.found.pieces[p] = codec.Release(w.found.pieces[p], ordinal%codec.Piece)
		w.pieces[p] = true
	}
	w.tasks = appendChanges(w.tasks, b.ID, e.Tasks)
	w.outputs = appendChanges(w.outputs, b.ID, e.Outputs)
	w.controls = appendChanges(w.controls, b.ID, e.Controls)
}

func appendChanges[T any](list []change[T], id job.ID, rows []T) []change[T] {
	for i := range rows {
		list = append(list, change[T]{id, rows[i]})
	}
	return list
}

// lasts returns the changes sorted by their keys, and of several of one key the
// last: a statement cannot write a row twice.
func lasts[T any](list []change[T], compare func(a, b *T) int) []change[T] {
	byKey := func(a, b change[T]) int {
		return cmp.Or(slices.Compare(a.job[:], b.job[:]), compare(&a.row, &b.row))
	}
	slices.SortStableFunc(list, byKey)
	kept := list[:0]
	for i := range list {
		if i+1 == len(list) || byKey(list[i], list[i+1]) != 0 {
			kept = append(kept, list[i])
		}
	}
	return kept
}
