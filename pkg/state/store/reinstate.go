package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// ErrNotQuarantined says that only a job that is set aside can be reinstated.
var ErrNotQuarantined = errors.New("the job is not quarantined")

// Reinstate takes a job out of quarantine, for an operator (by a name for people)
// who has found out why it was set aside. It claims the job's shard: whoever owns
// it learns of it with the next write (an owner with nothing to write: within 30 s),
// claims it back, and goes on with this job too.
// Errors wrap ErrNotQuarantined, ErrNotFound and those of Claim and Commit; a
// batch that was fenced by the owner is to be tried again.
func Reinstate(ctx context.Context, s Store, id job.ID, operator string) (Job, error) {
	j, err := s.GetJob(ctx, id)
	if err != nil {
		return j, err
	}
	if _, ok := j.Row.Reinstated(); !ok {
		return j, fmt.Errorf("job %s is %s: %w", id, j.Row.State, ErrNotQuarantined)
	}
	epoch, err := s.Claim(ctx, j.Shard, operator)
	if err != nil {
		return j, err
	}
	if j, err = s.GetJob(ctx, id); err != nil { // as it is now that nobody else writes it
		return j, err
	}
	row, ok := j.Row.Reinstated()
	if !ok {
		return j, fmt.Errorf("job %s is %s by now: %w", id, j.Row.State, ErrNotQuarantined)
	}
	results, err := s.Commit(ctx, []Batch{{
		Shard: j.Shard, Epoch: epoch, Number: 1, Jobs: []JobBatch{{ID: id, Persist: job.Persist{Row: &row}}},
	}})
	if err != nil {
		return j, err
	}
	j.Row = row
	return j, results[0].Err
}
