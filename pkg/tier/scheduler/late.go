package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Paces of asking for late truth.
const (
	lateEvery   = 5 * time.Minute
	latePage    = 64
	lateTargets = 200_000 // that jobs have together which are asked for at a time; a job counts as latePage at least
)

// seekTruth asks, slowly and for ever, for the truth about tasks that are UNKNOWN
// in jobs that are done. A host that has such a task says so by itself when it is
// back. A host that never got the release has nothing to say, and neither has one
// with a new incarnation: of those nobody else would ask, and both are known for
// certain when they are heard (architecture section 5, promise 1). Each round
// goes on where the last one stopped, so that however many there are all have
// their turn, and a round costs no more for it.
func (s *Scheduler) seekTruth(ctx context.Context) error {
	tick := time.NewTicker(lateEvery)
	defer tick.Stop()
	for token := ""; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			token = s.seekOnce(ctx, token)
		}
	}
}

// seekOnce is one round; it returns where the next one goes on, empty: at the
// newest job.
func (s *Scheduler) seekOnce(ctx context.Context, token string) string {
	for weight := 0; weight < lateTargets; {
		jobs, next, err := s.store.ListJobs(ctx, store.JobQuery{State: job.Done, Unknown: true, Token: token, Limit: latePage})
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "jobs with UNKNOWN tasks cannot be listed; trying again later", "error", err)
			}
			return token
		}
		for i := range jobs {
			weight += latePage
			if s.seekIn(ctx, &jobs[i]) {
				weight += targetCount(jobs[i].Row)
			}
		}
		if token = next; token == "" {
			return ""
		}
		weight += latePage // a page of jobs that cannot be decoded is not free either
	}
	return token
}

// seekIn asks in one job, if it is this process's to ask.
func (s *Scheduler) seekIn(ctx context.Context, j *store.Job) bool {
	if j.Shard.Pool != s.cfg.Pool {
		return false
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	return s.shardOf(j.ID).Late(ctx, j.ID) == nil // who owns it asks; what cannot be read now has its turn again
}
