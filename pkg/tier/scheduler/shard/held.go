package shard

import (
	"container/heap"
	"context"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// held is a job in memory.
type held struct {
	id      job.ID
	digest  [32]byte
	machine *job.Machine
	capsule []byte             // as stored
	tree    *capsule.RangeTree // nil until something is sent
	payload *mesh.Payload      // nil until something is sent
	traced  *traced            // nil: it is not
	flying  int64              // tasks that are released and not settled, as counted
	meter   *classMeter        // nil until something is counted
	trial   job.Trial          // as it is to be durable
	written job.Trial          // as it is

	fresh    *store.Create       // accepted in this round
	contents map[[32]byte][]byte // of outputs, heard in this round
	touched  bool
	gone     bool   // not in memory any more
	taken    *taken // the id was not free: this job was never accepted
	purged   bool   // retention has removed it

	done     bool
	late     bool      // done, and has UNKNOWN tasks: it still hears of hosts
	since    time.Time // when it was seen to be done, or brought back
	used     time.Time // when it was last asked for
	watchers map[*Watcher]struct{}
	warned   bool // of reports that are not taken

	dueAt time.Time
	index int // in the due list; -1: not in it
}

// named are the contents that rows name, of those that came with their reports.
func (h *held) named(rows []job.TaskRow) (outputs []store.Output) {
	seen := map[[32]byte]bool{}
	for i := range rows {
		for _, ref := range rows[i].Detail.Outputs {
			content, heard := h.contents[ref.Digest]
			if heard && !seen[ref.Digest] {
				seen[ref.Digest] = true
				outputs = append(outputs, store.Output{Digest: ref.Digest, Content: content})
			}
		}
	}
	return outputs
}

// payloadOf is what all dispatches of the job have in common.
func (h *held) payloadOf(epoch job.Epoch) (*mesh.Payload, error) {
	if h.payload != nil {
		return h.payload, nil
	}
	envelope, err := capsule.ParseEnvelope(h.capsule)
	if err != nil {
		return nil, err
	}
	targets := h.machine.Targets()
	if h.tree == nil {
		if h.tree, err = Tree(targets); err != nil {
			return nil, err
		}
	}
	spec := h.machine.Spec()
	h.payload = &mesh.Payload{
		Job: h.id, Pool: spec.Pool, Class: spec.Class, Epoch: epoch,
		Capsule: envelope, Targets: targets, Tree: h.tree,
	}
	return h.payload, nil
}

// Tree is the Merkle tree over a target list.
func Tree(targets *job.Targets) (*capsule.RangeTree, error) {
	leaves := make([]capsule.Hash, targets.Len())
	for i := range leaves {
		t := targets.At(uint32(i))
		leaves[i] = capsule.LeafHash(t.Host, t.Incarnation)
	}
	return capsule.NewTree(leaves)
}

// plan notes when the job is to be looked at again.
func (t *tenure) plan(h *held) {
	if !h.done && h.machine.Row().State == job.Done {
		h.done, h.used, h.since = true, t.clock, t.clock
		h.payload, h.tree = nil, nil // what is still sent is little
		t.done++
		t.live.Add(-1)
		t.shrink()
		if h.gone {
			return
		}
	}
	t.noteLate(h)
	at, wanted := h.machine.Due()
	if h.done {
		if end := h.leaves(); !wanted || end.Before(at) {
			at, wanted = end, true
		}
	}
	t.due.set(h, at, wanted)
}

// noteLate notes whether late truth may come to a job that is done.
func (t *tenure) noteLate(h *held) {
	late := h.done && !h.gone && h.machine.Row().Counts.Of(task.Unknown) > 0
	switch {
	case late && !h.late:
		t.late.Add(1)
	case !late && h.late:
		t.late.Add(-1)
	}
	h.late = late
}

// leaves is when a job that is done leaves memory. What still runs of it is told to
// stop at the deadline, and some times more.
func (h *held) leaves() time.Time {
	end := h.used.Add(keepDone)
	if last := h.since.Add(stayDone); last.Before(end) {
		end = last
	}
	if h.machine.Lingers() && !planted.Bug("a job that is done is not stopped") {
		if stopped := h.machine.Spec().Rollout.Deadline.Add(keepDone); end.Before(stopped) {
			end = stopped
		}
	}
	return end
}

// wakeDue steps what is due, and forgets what nobody has asked for.
func (t *tenure) wakeDue(ctx context.Context) {
	for t.fault == nil && len(t.due) > 0 && !t.clock.Before(t.due[0].dueAt) {
		h := t.due[0]
		if h.done && len(h.watchers) == 0 && !h.touched && !t.clock.Before(h.leaves()) {
			t.forget(h)
			continue
		}
		if h.done && len(h.watchers) > 0 {
			h.used, h.since = t.clock, t.clock
		}
		t.due.remove(h) // until its round is over
		if t.trial.suspects[h.id] != nil {
			t.alone(ctx, h.id, func() { _ = t.stepJob(h, job.Tick{}) })
			return // what else is due is found in the next round
		}
		_ = t.stepJob(h, job.Tick{})
	}
}

// untilDue is how long nothing is due.
func (t *tenure) untilDue() time.Duration {
	wait := time.Until(t.proven.Add(proveEvery))
	if len(t.due) > 0 {
		wait = min(wait, time.Until(t.due[0].dueAt))
	}
	if !t.trial.over {
		wait = min(wait, time.Until(t.trial.ends))
	}
	if len(t.trial.waiting) > 0 {
		return 0
	}
	if t.again.hosts > 0 && len(t.trial.suspects) == 0 { // with suspects nobody is asked: see askAgain
		wait = min(wait, time.Until(t.again.next))
	}
	return max(wait, 0)
}

// dueList is a heap of jobs by when they are due.
type dueList []*held

func (d *dueList) set(h *held, at time.Time, wanted bool) {
	switch {
	case !wanted:
		d.remove(h)
		return
	case h.index >= 0 && h.dueAt.Equal(at):
		return
	}
	h.dueAt = at
	if h.index >= 0 {
		heap.Fix(d, h.index)
	} else {
		heap.Push(d, h)
	}
}

func (d *dueList) remove(h *held) {
	if h.index >= 0 {
		heap.Remove(d, h.index)
	}
}

func (d dueList) Len() int           { return len(d) }
func (d dueList) Less(i, j int) bool { return d[i].dueAt.Before(d[j].dueAt) }
func (d dueList) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push adds a job; for container/heap only.
func (d *dueList) Push(x any) {
	h := x.(*held)
	h.index = len(*d)
	*d = append(*d, h)
}

// Pop removes the last; for container/heap only.
func (d *dueList) Pop() any {
	last := len(*d) - 1
	h := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	h.index = -1
	return h
}
