package shard

import (
	"context"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// ReadNow is Read of a job as of now: what is due has been done before, and is
// durable. Errors as Read.
func (s *Shard) ReadNow(ctx context.Context, id job.ID, see func(m *job.Machine)) error {
	ev := &questionNow{question{id: id, load: true, done: make(chan error, 1), see: func(_ *tenure, h *held) { see(h.machine) }}}
	t, err := s.post(ctx, ev)
	if err != nil {
		return err
	}
	answer, err := await(ctx, t, ev.done)
	if err != nil {
		return err
	}
	return answer
}

// questionNow is a question before which the clock of the job is set.
type questionNow struct{ question }

func (q *questionNow) apply(ctx context.Context, t *tenure) {
	if h, err := t.find(ctx, q.id, q.load); err == nil {
		_ = t.stepJob(h, job.Tick{}) // no machine in memory refuses it
	}
	q.question.apply(ctx, t) // says what kept the job from being found
}
