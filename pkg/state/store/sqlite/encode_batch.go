package sqlite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// A batch is encoded before its transaction begins: while one process packs
// and compresses, another may write.
type (
	encodedBatch struct {
		jobs  []encodedJob
		hosts []encodedHost
	}
	encodedJob struct {
		submitter string
		state     job.State
		live      bool
		spec, row []byte // row is nil if it did not change
		capsule   []byte
		targets   []byte
		tasks     []encodedTask
		outputs   []encodedOutput
		controls  []encodedControl
	}
	encodedTask struct {
		row  *job.TaskRow
		refs []byte
	}
	encodedOutput struct {
		digest  [32]byte
		codec   int
		size    int
		content []byte
	}
	encodedControl struct {
		request string
		row     []byte
	}
	encodedHost struct {
		host          *fleet.Host
		labels, facts []byte
	}
)

func encodeBatch(b *store.Batch) (e encodedBatch, err error) {
	if err := b.Check(); err != nil {
		return e, err
	}
	e.jobs = make([]encodedJob, len(b.Jobs))
	for i := range b.Jobs {
		if e.jobs[i], err = encodeJob(&b.Jobs[i]); err != nil {
			return e, fmt.Errorf("batch %d of shard %s: %w: job %s: %w", b.Number, b.Shard, store.ErrBatch, b.Jobs[i].ID, err)
		}
	}
	e.hosts = make([]encodedHost, len(b.Hosts))
	for i := range b.Hosts {
		if e.hosts[i], err = encodeHost(&b.Hosts[i]); err != nil {
			return e, fmt.Errorf("batch %d of shard %s: %w: host %s: %w", b.Number, b.Shard, store.ErrBatch, b.Hosts[i].ID, err)
		}
	}
	return e, nil
}

func encodeJob(b *store.JobBatch) (e encodedJob, err error) {
	if b.Create != nil {
		e.submitter, e.capsule, e.targets = b.Create.Spec.Submitter, notNull(b.Create.Capsule), encodeTargets(b.Create.Targets)
		if e.spec, err = encodeSpec(&b.Create.Spec); err != nil {
			return e, err
		}
	}
	if row := b.Persist.Row; row != nil {
		e.state, e.live = row.State, row.State != job.Done
		if e.row, err = encodeRow(row); err != nil {
			return e, err
		}
	}
	e.tasks = encodeTasks(b.Persist.Tasks)
	for _, o := range b.Outputs {
		codec, content := compress(o.Content)
		e.outputs = append(e.outputs, encodedOutput{o.Digest, codec, len(o.Content), content})
	}
	for i := range b.Persist.Controls {
		row, err := toJSON("a control request", &b.Persist.Controls[i])
		if err != nil {
			return e, err
		}
		e.controls = append(e.controls, encodedControl{b.Persist.Controls[i].RequestID, row})
	}
	return e, nil
}

// encodeTasks sorts the rows by ordinal: SQLite appends to a page that it has
// just written two to three times faster than it goes to and fro.
func encodeTasks(rows []job.TaskRow) []encodedTask {
	e := make([]encodedTask, len(rows))
	for i := range rows {
		e[i] = encodedTask{&rows[i], encodeRefs(rows[i].Detail.Outputs)}
	}
	slices.SortStableFunc(e, func(a, b encodedTask) int { return cmp.Compare(a.row.Ordinal, b.row.Ordinal) })
	return e
}

// appendArgs appends the values of putTasks, in its order. Numbers are int64,
// because database/sql takes the slow way (reflection) for any other kind.
func (e *encodedTask) appendArgs(args []any, seq int64) []any {
	r, d := &e.row.Report, &e.row.Detail
	return append(args,
		seq, int64(e.row.Ordinal), int64(r.State), e.row.Revision, int64(r.Attempt), int64(r.Exit.Reason), int64(r.Exit.Code), int64(r.Exit.Signal),
		nanos(d.StartedAt), nanos(d.EndedAt), e.refs, d.Signature, d.Message, d.Overdue,
		int64(e.row.Lost), e.row.Concluded)
}

func encodeHost(h *fleet.Host) (e encodedHost, err error) {
	e.host = h
	if e.labels, err = toJSON("labels", h.Labels); err != nil {
		return e, err
	}
	e.facts, err = toJSON("facts", h.Facts)
	return e, err
}

// storedSpec leaves out what has a column, and writes ids as text.
type storedSpec struct {
	job.Spec
	ID     *struct{} `json:",omitempty"` // hides Spec.ID
	Pool   *struct{} `json:",omitempty"` // hides Spec.Pool
	Parent string    `json:",omitempty"` // hides Spec.Parent
}

func encodeSpec(spec *job.Spec) ([]byte, error) {
	s := storedSpec{Spec: *spec}
	if !spec.Parent.IsZero() {
		s.Parent = spec.Parent.String()
	}
	return toJSON("the job", &s)
}

func decodeSpec(id job.ID, pool string, b []byte) (job.Spec, error) {
	var s storedSpec
	if err := fromJSON("the job", b, &s); err != nil {
		return job.Spec{}, err
	}
	s.Spec.ID, s.Spec.Pool = id, pool
	if s.Parent != "" {
		parent, err := job.ParseID(s.Parent)
		if err != nil {
			return job.Spec{}, fmt.Errorf("cannot decode the job: parent %q: %w", s.Parent, err)
		}
		s.Spec.Parent = parent
	}
	return s.Spec, nil
}

// storedRow spells the counts out.
type storedRow struct {
	job.Row
	Counts map[task.State]int // hides Row.Counts
}

func encodeRow(row *job.Row) ([]byte, error) {
	s := storedRow{Row: *row, Counts: map[task.State]int{}}
	maps.Insert(s.Counts, row.Counts.All())
	return toJSON("the row of the job", &s)
}

func decodeRow(b []byte) (job.Row, error) {
	var s storedRow
	if err := fromJSON("the row of the job", b, &s); err != nil {
		return job.Row{}, err
	}
	s.Row.Counts = job.CountsOf(func(yield func(task.State, int) bool) {
		for state, n := range s.Counts {
			if !yield(state, n) {
				return
			}
		}
	})
	return s.Row, nil
}
