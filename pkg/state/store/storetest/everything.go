package storetest

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// UseEverything asks a store each question that there is, at least once: for
// tests of a version that look at how it answers.
func UseEverything(t *testing.T, s store.Store) {
	t.Helper()
	r := &rig{T: t, Store: s, open: func() store.Store { return s }}
	r.claim(shard(), "s1")
	o := r.claim(shard(), "s2")
	b := r.newJob(id(1), "standard", 10)
	b.Persist.Released = []uint32{1}
	b.Persist.Tasks = []job.TaskRow{Outcome(1, task.Succeeded, 1)}
	b.Persist.Controls = []job.ControlRow{{RequestID: "0123456789abcdef"}}
	b.Outputs = []store.Output{{Digest: [32]byte{1}, Content: []byte("x")}}
	o.commit(b)
	o.commit(b, r.newJob(id(2), "standard", 1))
	o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Released: []uint32{2}}}, store.JobBatch{ID: id(2), Persist: job.Persist{Row: Row(job.Done, 2, 1)}})
	hosts := r.claim(store.HostTable(), "s1").batch()
	hosts.Hosts = []fleet.Host{host(1)}
	r.commit(hosts)

	if _, err := r.LocateJob(t.Context(), id(1)); err != nil {
		t.Error(err)
	}
	if _, err := r.Output(t.Context(), id(1), [32]byte{1}); err != nil {
		t.Error(err)
	}
	for _, query := range []store.JobQuery{{}, {State: job.Done}, {Submitter: "ann"}, {State: job.Done, Submitter: "ann"}} {
		r.pages(query, store.MaxPage)
	}
	for _, query := range []store.TaskQuery{{}, {States: []task.State{task.Failed}}, {States: []task.State{task.Succeeded}}} {
		if _, err := r.Tasks(t.Context(), id(1), query); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Fate(t.Context(), shard(), o.epoch, 1); err != nil {
		t.Error(err)
	}
	all(r, r.TasksSince(t.Context(), id(1), 0))
	all(r, r.LoadShard(t.Context(), shard()))
	all(r, r.Hosts(t.Context(), 0))
	r.sweep(r.claim(store.HostTable(), "s1"), store.Sweep{Now: later.Add(time.Hour), Age: time.Hour, Limit: 100})
	if _, err := r.RaiseGeneration(t.Context()); err != nil {
		t.Error(err)
	}
}
