package shard

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// rig is a shard with a store in memory and hosts that are all attached to one
// aggregator.
type rig struct {
	t *testing.T
	*Shard
	store *flaky
	told  *obstest.Recorder
	done  chan error // what Run has returned
	stop  context.CancelFunc

	mu     sync.Mutex
	sent   map[job.ID]job.Send // everything, together
	traces map[job.ID]mesh.Traces
	epochs []job.Epoch // served
	away   map[fleet.HostID]bool
	strays map[job.ID][]fleet.HostID // told to forget a job that is gone
	poison int                       // jobs of so many targets crash when their hosts are looked up
}

// flaky is a store that now and then does not do what it is asked.
type flaky struct {
	*memory.Store
	away       atomic.Bool  // jobs cannot be read
	unread     sync.Map     // jobs that cannot be read
	slow       atomic.Int64 // how long a commit takes
	impossible sync.Map     // jobs that cannot be created, or their outcomes written
}

func (s *flaky) LoadJob(ctx context.Context, id job.ID) (store.Record, error) {
	if _, unread := s.unread.Load(id); unread || s.away.Load() {
		return store.Record{}, store.ErrUnavailable
	}
	return s.Store.LoadJob(ctx, id)
}

func (s *flaky) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	<-time.After(time.Duration(s.slow.Load()))
	results := make([]store.Result, len(batches))
	for i, b := range batches {
		if s.refuses(b) {
			results[i].Err = fmt.Errorf("cannot apply it: %w", store.ErrBatch)
			continue
		}
		got, err := s.Store.Commit(ctx, batches[i:i+1])
		if err != nil {
			return nil, err
		}
		results[i] = got[0]
	}
	return results, nil
}

func (s *flaky) refuses(b store.Batch) bool {
	return slices.ContainsFunc(b.Jobs, func(part store.JobBatch) bool {
		_, impossible := s.impossible.Load(part.ID)
		return impossible && (part.Create != nil || len(part.Persist.Tasks) > 0)
	})
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: &flaky{Store: memory.New()}, done: make(chan error, 1), sent: map[job.ID]job.Send{}, away: map[fleet.HostID]bool{}}
	r.told, r.traces = obstest.New(t), map[job.ID]mesh.Traces{}
	r.strays = map[job.ID][]fleet.HostID{}
	log := slog.New(slog.DiscardHandler)
	writer := commit.New(r.store, log, obs.Telemetry{})
	r.Shard = New(job.ShardID{Pool: "standard", N: 3}, "s1", Deps{
		Log: log, Store: r.store, Commit: writer, Hosts: r, Send: r.send, Forget: r.forget, Serving: r.serving,
		Telemetry: r.told.Telemetry(), TraceTasks: 2,
	})
	ctx, stop := context.WithCancel(t.Context())
	writing, stopWriting := context.WithCancel(t.Context())
	var written sync.WaitGroup
	written.Go(func() { _ = writer.Run(writing) })
	r.stop = stop
	t.Cleanup(func() {
		stopWriting()
		written.Wait()
	})
	t.Cleanup(func() {
		stop()
		<-r.done //nolint:errcheck // its end is what counts
		r.done <- nil
	})
	go func() { r.done <- r.Run(ctx) }()
	synctest.Wait()
	return r
}

func (r *rig) Event(target job.Target, _ time.Time) (job.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away[target.Host] {
		return job.Gone{Host: target.Host}, true
	}
	return job.Reached(target), true
}

func (r *rig) Events(targets *job.Targets, now time.Time, tell func(job.Event)) {
	r.mu.Lock()
	poisoned := targets.Len() == r.poison
	r.mu.Unlock()
	if poisoned {
		panic("the hosts of this job are poison")
	}
	for o := range uint32(targets.Len()) {
		if ev, _ := r.Event(targets.At(o), now); ev != nil {
			tell(ev)
		}
	}
}

func (r *rig) Route(_ *job.Targets, s job.Send) map[fleet.Via]*job.Send {
	return map[fleet.Via]*job.Send{"agg": &s}
}

func (r *rig) Via(fleet.HostID) (fleet.Via, bool) { return "agg", true }

func (r *rig) send(_ fleet.Via, p *mesh.Payload, s job.Send, traces mesh.Traces) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.sent[p.Job]
	all.Dispatch = append(all.Dispatch, s.Dispatch...)
	all.Wishes = append(all.Wishes, s.Wishes...)
	all.Forget = append(all.Forget, s.Forget...)
	all.Query = append(all.Query, s.Query...)
	r.sent[p.Job] = all
	if traces != nil {
		r.traces[p.Job] = traces
	}
}

func (r *rig) forget(_ fleet.Via, id job.ID, host fleet.HostID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strays[id] = append(r.strays[id], host)
}

func (r *rig) serving(_ job.ShardID, epoch job.Epoch, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.epochs = append(r.epochs, epoch)
	}
}

func (r *rig) all(id job.ID) job.Send {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[id]
}

func list(t *testing.T, n int) *job.Targets {
	t.Helper()
	var b job.TargetsBuilder
	for i := range n {
		if err := b.Add("bj01", job.Target{Host: host(i), Incarnation: fleet.Incarnation{1, byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	targets, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

func host(i int) fleet.HostID { return fleet.HostID(fmt.Sprintf("h%03d", i)) }

// jobOf is a submission of a job for n hosts; its note says what is to go wrong.
func jobOf(t *testing.T, nth, n int, note string) Submission {
	t.Helper()
	now := time.Now()
	id := job.NewID(now, [10]byte{9: byte(nth), 8: byte(nth >> 8)})
	targets := list(t, n)
	tree, err := Tree(targets)
	if err != nil {
		t.Fatal(err)
	}
	return Submission{Tree: tree, Create: store.Create{
		Digest: sha256.Sum256(id[:]), Targets: targets, Capsule: []byte(`{"payloadType":"x","payload":"","signatures":[]}`),
		Spec: job.Spec{
			ID: id, Pool: "standard", Class: "standard", Submitter: "ann", Note: note,
			StartBy: now.Add(time.Hour), Created: now, Rollout: job.Rollout{Deadline: now.Add(time.Hour)},
		},
	}}
}

// accept submits a job that has to be accepted.
func (r *rig) accept(sub Submission) job.ID {
	r.t.Helper()
	got, err := r.Accept(r.t.Context(), sub)
	if err != nil || got.Existed {
		r.t.Fatalf("the job is not accepted: %v, %v", got, err)
	}
	return sub.Create.Spec.ID
}

// report is what a host says.
func (r *rig) report(id job.ID, i int, s task.State) mesh.Report {
	return mesh.Report{
		Job: id, Pool: "standard", Host: host(i), Ordinal: uint32(i), Incarnation: fleet.Incarnation{1, byte(i)},
		Report: task.Report{Attempt: 1, State: s},
	}
}

// say is a report of a host, that has been heard when it returns.
func (r *rig) say(id job.ID, i int, s task.State) {
	r.t.Helper()
	err := r.Reports(r.t.Context(), Heard{Reports: []mesh.Report{r.report(id, i, s)}})
	if err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func (r *rig) row(id job.ID) (row job.Row) {
	r.t.Helper()
	if err := r.Read(r.t.Context(), id, func(m *job.Machine) { row = m.Row() }); err != nil {
		r.t.Fatalf("job %s: %v", id, err)
	}
	return row
}
