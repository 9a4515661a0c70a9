package storetest

import (
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// sweeper owns the host table, and so sweeps.
func (r *rig) sweeper() *owner {
	r.Helper()
	return r.claim(store.HostTable(), "s1")
}

// sweep does one step, which must succeed.
func (r *rig) sweep(o *owner, s store.Sweep) store.Swept {
	r.Helper()
	s.Epoch = o.epoch
	done, err := r.Sweep(r.Context(), s)
	if err != nil {
		r.Fatal(err)
	}
	return done
}

// manySteps bounds a pass.
const manySteps = 10_000

// pass sweeps to the end of a pass, and returns all that was done. After each
// step it calls between, if there is one.
func (r *rig) pass(o *owner, s store.Sweep, between func()) (all store.Swept) {
	r.Helper()
	for range manySteps {
		done := r.sweep(o, s)
		all.Jobs, all.Rows, all.IDs = all.Jobs+done.Jobs, all.Rows+done.Rows, all.IDs+done.IDs
		if between != nil {
			between()
		}
		if s.From = done.Next; done.Next == 0 {
			return all
		}
	}
	r.Fatalf("a pass has no end: %+v", all)
	return all
}

// month is a policy: done jobs are kept for so long, and ids for a week more.
const (
	month = 30 * 24 * time.Hour
	week  = 7 * 24 * time.Hour
)

func monthly(now time.Time) store.Sweep {
	return store.Sweep{Now: now, Age: month, IDs: week, Limit: 1000}
}

// doneJob is a job that was accepted and done at a time, and that has a row in
// every table: n tasks, an output for each, a release, a control request.
func doneJob(number, n int, at time.Time) store.JobBatch {
	b := NewJob(id(number), "standard", n)
	b.Create.Spec.Created = at
	b.Persist.Row = doneRow(at, n)
	for o := range uint32(n) {
		content := []byte{byte(o), byte(o >> 8), byte(number)}
		row := Outcome(o, task.Succeeded, 1)
		row.Detail.Outputs[0].Digest = digestOf(content)
		b.Persist.Released = append(b.Persist.Released, o)
		b.Persist.Tasks = append(b.Persist.Tasks, row)
		b.Outputs = append(b.Outputs, store.Output{Digest: digestOf(content), Content: content})
	}
	b.Persist.Controls = []job.ControlRow{{RequestID: "0123456789abcdef", ControlRevision: 1}}
	return b
}

func doneRow(at time.Time, n int) *job.Row {
	row := Row(job.Done, 1, n)
	row.DoneAt = at
	return row
}

// there reports whether a job is there, whole; else it must be removed, for
// whoever asks.
func (r *rig) there(b store.JobBatch) bool {
	r.Helper()
	rec, err := r.LoadJob(r.Context(), b.ID)
	if err != nil {
		r.gone(b)
		return false
	}
	r.same("released", len(rec.Released), len(b.Persist.Released))
	r.same("tasks", len(rec.Tasks), len(b.Persist.Tasks))
	r.same("controls", len(rec.Controls), len(b.Persist.Controls))
	for _, o := range b.Outputs {
		if _, err := r.Output(r.Context(), b.ID, o.Digest); err != nil {
			r.Errorf("job %s is there without its output: %v", b.ID, err)
		}
	}
	return true
}

// gone fails unless every question about the job says that it was removed.
func (r *rig) gone(b store.JobBatch) {
	r.Helper()
	_, get := r.GetJob(r.Context(), b.ID)
	_, load := r.LoadJob(r.Context(), b.ID)
	_, output := r.Output(r.Context(), b.ID, [32]byte{1})
	for what, err := range map[string]error{"get": get, "load": load, "output": output} {
		var purged *store.PurgedError
		if !errors.As(err, &purged) || !errors.Is(err, store.ErrPurged) || !errors.Is(err, store.ErrNotFound) || purged.ID != b.ID {
			r.Errorf("%s of job %s: %v, want ErrPurged", what, b.ID, err)
		}
	}
	if rows, err := r.Tasks(r.Context(), b.ID, store.TaskQuery{}); err != nil || len(rows) != 0 {
		r.Errorf("job %s is gone and has %d tasks, %v", b.ID, len(rows), err)
	}
	if rows := all(r, r.TasksSince(r.Context(), b.ID, 0)); len(rows) != 0 {
		r.Errorf("job %s is gone and has %d tasks since the beginning", b.ID, len(rows))
	}
}
