package store

import (
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// HostTable is the shard of the host table: one for the whole deployment.
func HostTable() job.ShardID { return job.ShardID{} }

// Check is for versions of the store: what is wrong with a batch by itself, as
// an ErrBatch. They look no further at one that fails it.
func (b *Batch) Check() error {
	if len(b.Hosts) > 0 && b.Shard != HostTable() {
		return fmt.Errorf("batch %d of shard %s: %w: hosts are of the host table", b.Number, b.Shard, ErrBatch)
	}
	seen := make(map[job.ID]bool, len(b.Jobs))
	for i := range b.Jobs {
		jb := &b.Jobs[i]
		err := jb.check(b.Shard.Pool)
		if seen[jb.ID] {
			err = errors.New("it is in the batch twice")
		}
		if err != nil {
			return fmt.Errorf("batch %d of shard %s: %w: job %s: %w", b.Number, b.Shard, ErrBatch, jb.ID, err)
		}
		seen[jb.ID] = true
	}
	return nil
}

func (b *JobBatch) check(pool string) error {
	if c := b.Create; c != nil {
		switch {
		case b.Persist.Row == nil || c.Targets == nil:
			return errors.New("a job begins with its row and its targets")
		case c.Spec.ID != b.ID || c.Spec.Pool != pool:
			return fmt.Errorf("its spec is that of job %s in pool %q", c.Spec.ID, c.Spec.Pool)
		}
	}
	for _, ordinal := range b.Persist.Released {
		if ordinal >= job.MaxTargets {
			return fmt.Errorf("cannot release ordinal %d: %w", ordinal, job.ErrOrdinal)
		}
	}
	return nil
}
