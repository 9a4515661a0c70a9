package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// ToJSON encodes rows that are read back whole; a field that is new in a
// release needs no migration. what names it in the error.
func ToJSON(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %s: %w", what, err)
	}
	return b, nil
}

// FromJSON undoes ToJSON.
func FromJSON(what string, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("cannot decode %s: %w", what, err)
	}
	return nil
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
	return ToJSON("the job", &s)
}

// DecodeSpec reads the spec of a job; its id and pool have columns.
func DecodeSpec(id job.ID, pool string, b []byte) (job.Spec, error) {
	var s storedSpec
	if err := FromJSON("the job", b, &s); err != nil {
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
	return ToJSON("the row of the job", &s)
}

// DecodeRow reads the row of a job.
func DecodeRow(b []byte) (job.Row, error) {
	var s storedRow
	if err := FromJSON("the row of the job", b, &s); err != nil {
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

// Nanos is a time as the tables hold it: nanoseconds since 1970 (UTC), 0 for no
// time.
func Nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// FromNanos undoes Nanos.
func FromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
