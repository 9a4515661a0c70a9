package store

import (
	"context"
	"iter"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Store is all that a scheduler asks of the job store. Every version is safe
// for concurrent use, by several processes as well. Slices that are passed in
// are not kept, slices that come back belong to the caller.
type Store interface {
	Owner
	Reader
	Janitor
	// Close waits for what is under way. Nothing may be called after it.
	Close() error
}

// Owner is what owners of shards do.
type Owner interface {
	// Claim makes owner, a name for people, the owner of a shard, whoever it
	// was before: from here on the epoch before is fenced. Epochs of a shard
	// only grow; batches of the new epoch are numbered from 1.
	Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error)
	// RaiseGeneration fences every owner of every shard and returns the new
	// generation. It is for an operator who has restored the store from a
	// backup: the restored numbers may have been used already.
	RaiseGeneration(ctx context.Context) (uint64, error)
	// LoadShard yields the live jobs of a shard in the order of their
	// acceptance, one at a time. The caller owns the shard, or reads at his own
	// risk. A job that cannot be decoded comes as its Identity (without the
	// digest) with a *DamagedError, and the sequence goes on: one job must not
	// keep the others of its shard from living. Any other error ends it.
	LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[Record, error]
	// Commit applies batches in one transaction and returns one result for
	// each, in their order. Fenced and impossible batches fall out, alone. An
	// error means that none was answered for: ErrUnavailable leaves open
	// whether they were applied; the same call again, or Fate, tells.
	Commit(ctx context.Context, batches []Batch) ([]Result, error)
	// Fate tells whether the batch of this number was applied. ErrNotFound: the
	// store knows no such claim.
	Fate(ctx context.Context, shard job.ShardID, epoch job.Epoch, number uint64) (applied bool, err error)
}

// Reader is what any scheduler may ask, owner or not.
type Reader interface {
	// GetJob returns a job, or ErrNotFound. That retention has removed a job
	// every question about one job says with a *PurgedError, which is both
	// ErrPurged and ErrNotFound.
	GetJob(ctx context.Context, id job.ID) (Job, error)
	// LoadJob returns all of a job, done or not, or ErrNotFound.
	LoadJob(ctx context.Context, id job.ID) (Record, error)
	// LocateJob tells where an id is, even of a job that retention has removed;
	// ErrNotFound if it was never accepted. When the id itself is forgotten, like
	// all others of its time, it is a *PurgedError.
	LocateJob(ctx context.Context, id job.ID) (Identity, error)
	// ListJobs returns a page of jobs, the newest first, and the token of the
	// next page, empty on the last. Errors wrap ErrPageToken. Jobs that cannot
	// be decoded are left out: then the page and the token are good, and the
	// error is a *DamagedError that names those jobs.
	ListJobs(ctx context.Context, query JobQuery) (jobs []Job, next string, err error)
	// Tasks returns the rows of a job that match, by ordinal; a task without an
	// outcome has no row. A job that is not there has none.
	Tasks(ctx context.Context, id job.ID, query TaskQuery) ([]job.TaskRow, error)
	// TasksSince yields the rows written after a revision, by revision and
	// ordinal. A row that is written again meanwhile may come again.
	TasksSince(ctx context.Context, id job.ID, revision uint64) iter.Seq2[job.TaskRow, error]
	// Output returns the content that a job's task wrote, or ErrNotFound.
	Output(ctx context.Context, id job.ID, digest [32]byte) ([]byte, error)
	// Hosts yields the hosts whose rows were written after a revision, by
	// revision; 0 is the whole table.
	Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error]
}

// Batch is what one shard owes to the store: all of it, or nothing.
type Batch struct {
	Shard  job.ShardID
	Epoch  job.Epoch
	Number uint64 // from 1 in each epoch, without gaps
	Jobs   []JobBatch
	Hosts  []fleet.Host // complete rows; only of the shard HostTable. Their Revision is ignored: the store makes it
}

// JobBatch is what changed in one job.
type JobBatch struct {
	ID      job.ID
	Create  *Create     // only in the first batch of a job; then Persist.Row is set
	Persist job.Persist // what the machine owes
	Outputs []Output    // before or with the first row that names them
}

// Create accepts a job.
type Create struct {
	Digest    [32]byte // of the body: what makes two submissions the same
	Spec      job.Spec
	Capsule   []byte       // the signed envelope, as it came
	Targets   *job.Targets // shared, since it never changes
	KeepUntil time.Time    // the id is known at least until then
}

// Output is content that a task wrote, named by its SHA-256.
type Output struct {
	Digest  [32]byte
	Content []byte
}

// Result is what became of a batch.
type Result struct {
	// Err is nil, or wraps ErrFenced or ErrBatch: nothing was applied.
	Err error
	// Again says that the batch had been applied before, by an earlier call.
	Again bool
	// Existing are the jobs of the batch whose id was taken. All that the
	// batch holds of such a job was left out. Never those that Again created.
	Existing []*ExistsError
	// Purged are the jobs of the batch that retention has removed. All that the
	// batch holds of such a job was left out: its owner drops it, and may tell its
	// hosts Forget.
	Purged []job.ID
	// HostRevision is the revision of the batch's last host row; those before
	// it count down from it. 0 without hosts, and after Again.
	HostRevision uint64
}

// Identity is what is known of an id for as long as it is known at all.
type Identity struct {
	ID     job.ID
	Shard  job.ShardID
	Digest [32]byte
	// Removed is when retention removed the job; zero: it is there.
	Removed time.Time
}

// Job is a job without its lists.
type Job struct {
	Identity
	Spec job.Spec
	Row  job.Row
}

// Record is all of a job: what its machine is restored from, and its capsule.
type Record struct {
	Identity
	Spec    job.Spec
	Capsule []byte
	Targets *job.Targets
	job.Record
}

// TaskQuery selects task rows.
type TaskQuery struct {
	From   uint32       // the first ordinal
	To     uint32       // the ordinal after the last; 0: no bound. A host is [ordinal, ordinal+1)
	States []task.State // empty: all
	Limit  int          // 1..MaxPage; else MaxPage
}
