package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Store is a store.Store in maps. It is safe for concurrent use.
type Store struct {
	mu sync.Mutex // guards all below

	contents
	failures []Failure
	damaged  map[job.ID]bool
}

var _ store.Store = (*Store)(nil)

// claim is one ownership of a shard.
type claim struct {
	epoch job.Epoch
	owner string
	batch uint64 // the number that was applied last
}

// identity is what an id is known by, and the batch that made it.
type identity struct {
	store.Identity
	epoch     job.Epoch
	number    uint64
	keepUntil time.Time
}

// stored is a job.
type stored struct {
	seq      int64
	create   store.Create
	row      job.Row
	released map[uint32]bool
	tasks    map[uint32]job.TaskRow
	controls map[string]job.ControlRow
	outputs  map[[32]byte][]byte
}

// New returns an empty store.
func New() *Store {
	return &Store{
		contents: contents{
			generation: 1,
			shards:     map[job.ShardID][]claim{},
			ids:        map[job.ID]identity{},
			jobs:       map[job.ID]*stored{},
			hosts:      map[fleet.HostID]fleet.Host{},
		},
		damaged: map[job.ID]bool{},
	}
}

// Close does nothing: the other schedulers of the test may go on.
func (s *Store) Close() error { return nil }

// Failure is how a commit fails.
type Failure int

// The two ways: the caller cannot tell them apart, and must ask Fate.
const (
	BeforeApply Failure = iota + 1 // nothing was applied
	AfterApply                     // all was applied; only the answer is lost
)

// FailNext makes the next commit fail; called again, the one after it, too.
func (s *Store) FailNext(f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, f)
}

// Damage makes a job unreadable, for good.
func (s *Store) Damage(id job.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged[id] = true
}

// errInjected is what a commit or a read fails with on demand.
var errInjected = errors.New("the test wanted it to fail")

func (s *Store) nextFailure() (f Failure) {
	if len(s.failures) > 0 {
		f, s.failures = s.failures[0], s.failures[1:]
	}
	return f
}

// Claim mints the next epoch of a shard.
func (s *Store) Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error) {
	if err := ctx.Err(); err != nil {
		return job.Epoch{}, fmt.Errorf("cannot claim shard %s: %w", shard, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	epoch := job.Epoch{Generation: s.generation, N: uint64(len(s.shards[shard])) + 1}
	s.shards[shard] = append(s.shards[shard], claim{epoch: epoch, owner: owner})
	return epoch, nil
}

// RaiseGeneration fences every owner.
func (s *Store) RaiseGeneration(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	return s.generation, nil
}

// Fate reads back whether a batch was applied.
func (s *Store) Fate(_ context.Context, shard job.ShardID, epoch job.Epoch, number uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.shards[shard] {
		if c.epoch == epoch {
			return number <= c.batch, nil
		}
	}
	return false, fmt.Errorf("cannot tell the fate of batch %d of shard %s: claim %d of generation %d: %w",
		number, shard, epoch.N, epoch.Generation, store.ErrNotFound)
}
