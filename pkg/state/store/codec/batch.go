package codec

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// A batch is encoded before its transaction begins: while one process packs
// and compresses, another may write.
type (
	// Batch is a store.Batch, ready to be written.
	Batch struct {
		Jobs  []Job
		Hosts []Host
	}
	// Job is a store.JobBatch. What it creates is there if Spec is not nil, what
	// has changed in its row if Row is not nil.
	Job struct {
		Submitter string
		Spec      []byte // JSON
		Capsule   []byte
		Targets   []byte // packed

		State job.State
		Live  bool
		Row   []byte // JSON

		Tasks    []Task // by ordinal
		Outputs  []Output
		Controls []Control
	}
	// Task is a row of a task.
	Task struct {
		Row  *job.TaskRow
		Refs []byte // packed; nil: none
	}
	// Output is content in one of the forms.
	Output struct {
		Digest  [32]byte
		Form    int
		Size    int // of the content, uncompressed
		Content []byte
	}
	// Control is a request of a user.
	Control struct {
		Request string
		Row     []byte // JSON
	}
	// Host is a row of the host table.
	Host struct {
		Host          *fleet.Host
		Labels, Facts []byte // JSON
	}
)

// Batch checks and encodes b, parts of which it goes on using. Errors wrap
// store.ErrBatch.
func (c *Codec) Batch(b *store.Batch) (e Batch, err error) {
	if err := b.Check(); err != nil {
		return e, err
	}
	e.Jobs = make([]Job, len(b.Jobs))
	for i := range b.Jobs {
		if e.Jobs[i], err = c.Job(&b.Jobs[i]); err != nil {
			return e, fmt.Errorf("batch %d of shard %s: %w: job %s: %w", b.Number, b.Shard, store.ErrBatch, b.Jobs[i].ID, err)
		}
	}
	e.Hosts = make([]Host, len(b.Hosts))
	for i := range b.Hosts {
		if e.Hosts[i], err = encodeHost(&b.Hosts[i]); err != nil {
			return e, fmt.Errorf("batch %d of shard %s: %w: host %s: %w", b.Number, b.Shard, store.ErrBatch, b.Hosts[i].ID, err)
		}
	}
	return e, nil
}

// Job encodes what changed in one job, which it does not check.
func (c *Codec) Job(b *store.JobBatch) (e Job, err error) {
	if b.Create != nil {
		e.Submitter, e.Capsule, e.Targets = b.Create.Spec.Submitter, notNull(b.Create.Capsule), EncodeTargets(b.Create.Targets)
		if e.Spec, err = encodeSpec(&b.Create.Spec); err != nil {
			return e, err
		}
	}
	if row := b.Persist.Row; row != nil {
		e.State, e.Live = row.State, row.State != job.Done
		if e.Row, err = encodeRow(row); err != nil {
			return e, err
		}
	}
	e.Tasks = Tasks(b.Persist.Tasks)
	for _, o := range b.Outputs {
		form, content := c.Compress(o.Content)
		e.Outputs = append(e.Outputs, Output{o.Digest, form, len(o.Content), content})
	}
	for i := range b.Persist.Controls {
		row, err := ToJSON("a control request", &b.Persist.Controls[i])
		if err != nil {
			return e, err
		}
		e.Controls = append(e.Controls, Control{b.Persist.Controls[i].RequestID, row})
	}
	return e, nil
}

// Tasks encodes rows and sorts them by ordinal: who appends to a page that it
// has just written is two to three times faster than who goes to and fro.
func Tasks(rows []job.TaskRow) []Task {
	e := make([]Task, len(rows))
	for i := range rows {
		e[i] = Task{&rows[i], EncodeRefs(rows[i].Detail.Outputs)}
	}
	slices.SortStableFunc(e, func(a, b Task) int { return cmp.Compare(a.Row.Ordinal, b.Row.Ordinal) })
	return e
}

func encodeHost(h *fleet.Host) (e Host, err error) {
	e.Host = h
	if e.Labels, err = ToJSON("labels", h.Labels); err != nil {
		return e, err
	}
	e.Facts, err = ToJSON("facts", h.Facts)
	return e, err
}
