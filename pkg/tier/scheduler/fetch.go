package scheduler

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
)

// Bounds of fetching what is too large for a report.
const (
	maxOutput    = 16 << 20         // bytes of one output
	maxFetching  = 256 << 20        // bytes that are being fetched
	maxFromOne   = 48 << 20         // of them from one aggregator, so that a slow one does not hold up the others
	maxWaiting   = 1024             // reports of one aggregator that wait for their outputs
	leastWeight  = 1 << 20          // of one fetch, so that there are not too many
	fetchTries   = 5                // of one output
	fetchPause   = time.Second      // between two tries
	fetchTimeout = 30 * time.Second // of one try
)

var errOutput = errors.New("an output names more bytes than are ever kept, or none by a digest")

// missingOutputs are the outputs of a report whose contents have not come.
func missingOutputs(r *mesh.Report, blobs map[[32]byte][]byte) (missing []job.OutputRef, err error) {
	for _, ref := range r.Detail.Outputs {
		content, there := blobs[ref.Digest]
		switch {
		case ref.Size == 0:
		case ref.Size > maxOutput || ref.Digest == [32]byte{} || there && uint64(len(content)) != ref.Size:
			return nil, fmt.Errorf("%w: stream %d, %d bytes", errOutput, ref.Stream, ref.Size)
		case !there:
			missing = append(missing, ref)
		}
	}
	return missing, nil
}

// fetches is the outputs that are being fetched. Their reports wait by
// themselves; when too many of one aggregator do, that aggregator waits.
type fetches struct {
	bytes   *semaphore.Weighted // of all
	running sync.WaitGroup

	mu   sync.Mutex // protects what follows
	from map[fleet.Via]*fetchesFrom
}

// fetchesFrom is what is fetched from one aggregator.
type fetchesFrom struct {
	bytes   *semaphore.Weighted
	waiting chan struct{} // holds one for every report
}

func newFetches() *fetches {
	return &fetches{bytes: semaphore.NewWeighted(maxFetching), from: map[fleet.Via]*fetchesFrom{}}
}

func (f *fetches) of(via fleet.Via) *fetchesFrom {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := f.from[via]
	if from == nil { // there are not more than there were ever aggregators
		from = &fetchesFrom{bytes: semaphore.NewWeighted(maxFromOne), waiting: make(chan struct{}, maxWaiting)}
		f.from[via] = from
	}
	return from
}

// room waits until there is room to fetch so many bytes: first among those of
// the aggregator, so that what waits for a slow one takes nothing from others.
func (f *fetches) room(ctx context.Context, from *fetchesFrom, weight int64) (release func(), err error) {
	if err := from.bytes.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	if err := f.bytes.Acquire(ctx, weight); err != nil {
		from.bytes.Release(weight)
		return nil, err
	}
	return func() { f.bytes.Release(weight); from.bytes.Release(weight) }, nil
}

func (f *fetches) wait() { f.running.Wait() }

// fetch gets the contents that a report lacks, and then passes it on: an outcome
// and its output become durable together. If they cannot be had the report is
// dropped, and its host asked again later.
func (s *Scheduler) fetch(ctx context.Context, sh *shard.Shard, via fleet.Via, r mesh.Report, blobs map[[32]byte][]byte, missing []job.OutputRef) {
	from := s.fetches.of(via)
	select {
	case from.waiting <- struct{}{}:
	case <-ctx.Done():
		return // the stream has ended: it comes again
	}
	weight := int64(leastWeight)
	for _, ref := range missing {
		weight += int64(ref.Size)
	}
	s.fetches.running.Go(func() {
		defer func() { <-from.waiting }()
		release, err := s.fetches.room(ctx, from, min(weight, maxFromOne))
		if err != nil {
			return // likewise
		}
		defer release()
		if sh.Final(ctx, r.Job, r.Host, r.Report.Attempt) { // it is only repeated, because its Forget was lost
			_ = sh.Reports(ctx, shard.Heard{Reports: []mesh.Report{r}})
			return
		}
		heard := shard.Heard{Reports: []mesh.Report{r}, Contents: map[[32]byte][]byte{}}
		for _, ref := range r.Detail.Outputs {
			if content, there := blobs[ref.Digest]; there {
				heard.Contents[ref.Digest] = content
			}
		}
		got, err := s.fetchAll(ctx, via, missing)
		if err != nil {
			if ctx.Err() == nil {
				s.log.ErrorContext(ctx, "output of a task cannot be fetched; its host is asked again", "job", r.Job, "host", r.Host, "aggregator", via, "error", err)
				_ = sh.Again(ctx, r.Job, r.Host) // not owned any more: the next owner hears it
			}
			return
		}
		maps.Copy(heard.Contents, got)
		_ = sh.Reports(ctx, heard) // not owned any more: the next owner hears it
	})
}

func (s *Scheduler) fetchAll(ctx context.Context, via fleet.Via, missing []job.OutputRef) (map[[32]byte][]byte, error) {
	got := map[[32]byte][]byte{}
	for _, ref := range missing {
		if _, twice := got[ref.Digest]; twice {
			continue
		}
		content, err := s.fetchOne(ctx, via, ref)
		for try := 1; err != nil && try < fetchTries && ctx.Err() == nil; try++ {
			lifecycle.Pause(ctx, fetchPause)
			content, err = s.fetchOne(ctx, via, ref)
		}
		if err != nil {
			return nil, err
		}
		got[ref.Digest] = content
	}
	return got, nil
}

func (s *Scheduler) fetchOne(ctx context.Context, via fleet.Via, ref job.OutputRef) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	content, err := s.rooms.FetchBlob(ctx, via, ref.Digest, ref.Size)
	if err == nil && (uint64(len(content)) != ref.Size || sha256.Sum256(content) != ref.Digest) {
		err = fmt.Errorf("aggregator %s sent %d bytes that are not those of the digest", via, len(content))
	}
	return content, err
}
