package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func tasks() []test {
	return []test{
		{"tasks come by ordinal, within bounds and states", func(r *rig) {
			o := r.claim(shard(), "s1")
			b := r.newJob(id(1), "standard", 100)
			states := []task.State{task.Succeeded, task.Failed, task.Unknown}
			for i := 98; i >= 0; i -= 2 { // even ordinals have a row, and come in disorder
				b.Persist.Tasks = append(b.Persist.Tasks, Outcome(uint32(i), states[i/2%3], 1))
			}
			neighbour := r.newJob(id(2), "standard", 100)
			neighbour.Persist.Tasks = []job.TaskRow{Outcome(1, task.Failed, 1)}
			o.commit(b, neighbour)

			for _, query := range []store.TaskQuery{
				{},
				{From: 11, To: 31},
				{From: 10, Limit: 3},
				{States: []task.State{task.Failed}},
				{States: []task.State{task.Failed, task.Unknown, task.Failed}, From: 5, Limit: 7},
				{States: []task.State{task.Lost}},
				{From: 4, To: 5},
				{From: 5, To: 6},
			} {
				var want []uint32
				for i := uint32(0); i < 100; i += 2 {
					fits := i >= query.From && (query.To == 0 || i < query.To)
					stateFits := len(query.States) == 0
					for _, s := range query.States {
						stateFits = stateFits || s == states[i/2%3]
					}
					if fits && stateFits && (query.Limit == 0 || len(want) < query.Limit) {
						want = append(want, i)
					}
				}
				got, err := r.Tasks(r.Context(), id(1), query)
				if err != nil {
					r.Fatal(err)
				}
				r.same(fmt.Sprintf("%+v", query), ordinals(got), want)
			}
		}},
		{"a page of tasks is bounded", func(r *rig) {
			b := r.newJob(id(1), "standard", store.MaxPage+5)
			for i := range store.MaxPage + 5 {
				b.Persist.Tasks = append(b.Persist.Tasks, Outcome(uint32(i), task.Succeeded, 1))
			}
			r.claim(shard(), "s1").commit(b)
			got, err := r.Tasks(r.Context(), id(1), store.TaskQuery{Limit: 1_000_000})
			if err != nil || len(got) != store.MaxPage {
				r.Errorf("%d rows, %v, want %d", len(got), err, store.MaxPage)
			}
		}},
		{"a row that is written again replaces the one before it, final or not", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 3))
			lost := Outcome(1, task.Lost, 2)
			lost.Report = task.Report{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}
			later := Outcome(1, task.Failed, 4)
			bare := job.TaskRow{Ordinal: 1, Revision: 5, Report: task.Report{Attempt: 3, State: task.Lost, Exit: task.Exit{Reason: task.Forgotten}}, Concluded: true}
			states := func(s ...task.State) []uint32 {
				got, err := r.Tasks(r.Context(), id(1), store.TaskQuery{States: s})
				if err != nil {
					r.Fatal(err)
				}
				return ordinals(got)
			}
			for _, row := range []job.TaskRow{Again(1, 1), lost, Again(1, 3), later, bare, Outcome(1, task.Succeeded, 6)} {
				o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Row: Row(job.Done, row.Revision, 3), Tasks: []job.TaskRow{row}}})
				what := fmt.Sprintf("at revision %d", row.Revision)
				r.same(what, all(r, r.TasksSince(r.Context(), id(1), 0)), []job.TaskRow{row})
				r.same(what+", since the one before", all(r, r.TasksSince(r.Context(), id(1), row.Revision-1)), []job.TaskRow{row})
				r.same(what+", by state", states(row.Report.State), []uint32{1})
				var others []task.State
				for _, s := range []task.State{task.Dispatched, task.Lost, task.Failed, task.Succeeded} {
					if s != row.Report.State {
						others = append(others, s)
					}
				}
				r.same(what+", by the other states", len(states(others...)), 0)
				whole, err := r.LoadJob(r.Context(), id(1))
				if err != nil {
					r.Fatal(err)
				}
				r.same(what+", with the whole job", whole.Tasks, []job.TaskRow{row})
			}
		}},
		{"what was written after a revision comes by revision, all of it", func(r *rig) {
			const n = 2*store.MaxPage + 100
			o := r.claim(shard(), "s1")
			b := r.newJob(id(1), "standard", n)
			revision := func(ordinal uint32) uint64 { return 2 + uint64(ordinal%3) }
			for i := range uint32(n) {
				b.Persist.Tasks = append(b.Persist.Tasks, Outcome(i, task.Succeeded, revision(i)))
			}
			o.commit(b)
			o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Tasks: []job.TaskRow{Outcome(0, task.Failed, 5)}}})

			for _, after := range []uint64{0, 2, 3, 4, 5} {
				var want []uint32
				for rev := max(after+1, 2); rev <= 4; rev++ {
					for i := uint32(1); i < n; i++ {
						if revision(i) == rev {
							want = append(want, i)
						}
					}
				}
				if after < 5 {
					want = append(want, 0)
				}
				r.same(fmt.Sprintf("after %d", after), ordinals(all(r, r.TasksSince(r.Context(), id(1), after))), want)
			}
		}},
	}
}

func ordinals(rows []job.TaskRow) (list []uint32) {
	for _, row := range rows {
		list = append(list, row.Ordinal)
	}
	return list
}

func outputs() []test {
	noise := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise) // never fails
	return []test{
		{"outputs come back to the last byte, whether they compress or not", func(r *rig) {
			contents := [][]byte{nil, []byte("x"), []byte("hello\n"), bytes.Repeat([]byte("line of log\n"), 100_000), noise, noise[:511], {0, 255, 0}}
			b := r.newJob(id(1), "standard", 1)
			for _, content := range contents {
				b.Outputs = append(b.Outputs, store.Output{Digest: sha256.Sum256(content), Content: content})
			}
			r.claim(shard(), "s1").commit(b)
			for _, content := range contents {
				got, err := r.Output(r.Context(), id(1), sha256.Sum256(content))
				if err != nil || !bytes.Equal(got, content) {
					r.Errorf("%d bytes came back as %d, %v", len(content), len(got), err)
				}
			}
		}},
		{"an output is kept once and belongs to its job", func(r *rig) {
			o := r.claim(shard(), "s1")
			content := []byte("hello\n")
			hello := store.Output{Digest: sha256.Sum256(content), Content: content}
			b := r.newJob(id(1), "standard", 2)
			b.Outputs = []store.Output{hello, hello}
			o.commit(b, r.newJob(id(2), "standard", 1))
			o.commit(store.JobBatch{ID: id(1), Outputs: []store.Output{hello}})
			if _, err := r.Output(r.Context(), id(2), hello.Digest); !errors.Is(err, store.ErrNotFound) {
				r.Errorf("the other job: %v, want ErrNotFound", err)
			}
			clear(content)
			if got, err := r.Output(r.Context(), id(1), hello.Digest); err != nil || string(got) != "hello\n" {
				r.Errorf("got %q, %v, want what was committed", got, err)
			}
		}},
	}
}
