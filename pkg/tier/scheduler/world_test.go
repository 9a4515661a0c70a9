package scheduler

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/wire"
)

// world is the rooms and hosts of a test: aggregators that keep reports until
// they are Forgotten, and hosts that start what they are given, once.
type world struct {
	t *testing.T

	mu    sync.Mutex
	rooms map[string]*fakeRooms // by scheduler
	hosts map[fleet.HostID]*fakeHost
	// does says what becomes of a task that a host starts; nil: it succeeds and
	// says hello.
	does func(host fleet.HostID, id job.ID) outcome
	big  map[[32]byte][]byte // outputs that have to be fetched
	// follows is what a host sends of an output that is followed; nil: it cannot be
	// asked.
	follows func(ctx context.Context, host fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error
	// fetchFaults is how often the next fetches fail.
	fetchFaults int
	fetched     int
	loses       bool                 // dispatches and queries
	waiting     map[taskOf]mesh.Wait // releases that have no credit
	traces      mesh.Traces          // of everything that was dispatched
}

// outcome is the end of a task; the zero value is that it runs on.
type outcome struct {
	state  task.State
	exit   task.Exit
	output []byte
	cut    uint64 // bytes that were cut of it
	tail   uint64 // of the output, what comes after the cut
	big    bool
}

// fakeHost is a host as its aggregator sees it.
type fakeHost struct {
	id       fleet.HostID
	room     fleet.Room
	inc      fleet.Incarnation
	via      fleet.Via
	attached bool
	session  uint64
	tasks    map[job.ID]*fakeTask
}

// fakeTask is what a host knows of a task.
type fakeTask struct {
	started   int // how often
	forgotten int
	pool      string
	ordinal   uint32
	report    task.Report
	ended     time.Time
	output    []byte
	cut, tail uint64
	big       bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, rooms: map[string]*fakeRooms{}, hosts: map[fleet.HostID]*fakeHost{}, big: map[[32]byte][]byte{}, traces: mesh.Traces{}}
}

// fakeRooms is one scheduler's mesh.
type fakeRooms struct {
	*world
	name string
	sink mesh.Sink

	// under world.mu
	queue  []func(ctx context.Context)
	wake   chan struct{}
	owns   map[uint32]job.Epoch
	cut    bool // nothing passes any more, in either direction
	shards uint32
}

func (w *world) join(name string, shards uint32, s mesh.Sink) *fakeRooms {
	r := &fakeRooms{world: w, name: name, sink: s, wake: make(chan struct{}, 1), owns: map[uint32]job.Epoch{}, shards: shards}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rooms[name] = r
	return r
}

// Run brings up what the world says, in order.
func (r *fakeRooms) Run(ctx context.Context) error {
	r.mu.Lock()
	r.snapshots()
	r.mu.Unlock()
	for {
		r.mu.Lock()
		queue := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, say := range queue {
			say(ctx)
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			r.mu.Lock()
			delete(r.rooms, r.name)
			r.mu.Unlock()
			return nil
		case <-r.wake:
		}
	}
}

// say queues for one scheduler; mu is held.
func (r *fakeRooms) say(what func(ctx context.Context)) {
	if r.cut {
		return
	}
	r.queue = append(r.queue, what)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// snapshots says who is attached; mu is held.
func (r *fakeRooms) snapshots() {
	byVia := map[fleet.Via][]mesh.Attachment{}
	for _, id := range slices.Sorted(maps.Keys(r.hosts)) {
		h := r.hosts[id]
		if h.attached {
			byVia[h.via] = append(byVia[h.via], h.attachment())
		}
	}
	for via, items := range byVia {
		r.say(func(ctx context.Context) {
			r.sink.Attachments(ctx, mesh.Attachments{Via: via, Begin: true, End: true, Items: items})
		})
	}
}

func (h *fakeHost) attachment() mesh.Attachment {
	return mesh.Attachment{
		Host: h.id, Incarnation: h.inc, Session: h.session, Attached: h.attached,
		Address: "10.0.0.1", Facts: map[string]string{"os": "debian"}, Since: time.Now(),
	}
}

// SetOwns sends to a new owner everything that is not Forgotten.
func (r *fakeRooms) SetOwns(shards map[uint32]job.Epoch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.owns
	r.owns = maps.Clone(shards)
	for _, id := range slices.Sorted(maps.Keys(r.hosts)) {
		for jid, tk := range r.hosts[id].tasks {
			n := uint32(job.ShardOf(jid, uint16(r.shards)))
			if r.owns[n] != before[n] && r.owner(jid) == r {
				r.report(r.hosts[id], jid, tk)
			}
		}
	}
}

// owner is whom reports of a job go to; mu is held.
func (w *world) owner(id job.ID) (best *fakeRooms) {
	var epoch job.Epoch
	for _, r := range w.rooms {
		if e, ok := r.owns[uint32(job.ShardOf(id, uint16(r.shards)))]; ok && e.Compare(epoch) > 0 {
			best, epoch = r, e
		}
	}
	return best
}

// report says what a host has to say of a task; mu is held.
func (w *world) report(h *fakeHost, id job.ID, tk *fakeTask) {
	to := w.owner(id)
	if to == nil || !h.attached || tk.forgotten > 0 {
		return
	}
	r := mesh.Report{Job: id, Pool: tk.pool, Host: h.id, Ordinal: tk.ordinal, Incarnation: h.inc, Report: tk.report, Detail: job.Detail{EndedAt: tk.ended}}
	blobs := map[[32]byte][]byte{}
	if tk.report.State.Final() && len(tk.output) > 0 {
		digest := sha256.Sum256(tk.output)
		r.Detail.Outputs = []job.OutputRef{{Stream: job.Stdout, Digest: digest, Size: uint64(len(tk.output)), Cut: tk.cut, Tail: tk.tail}}
		if tk.big {
			w.big[digest] = tk.output
		} else {
			blobs[digest] = tk.output
		}
	}
	via := h.via
	to.say(func(ctx context.Context) {
		to.sink.Reports(ctx, mesh.Batch{Via: via, Class: "standard", Reports: []mesh.Report{r}, Blobs: blobs})
	})
}

// Send is what the scheduler wants of hosts.
func (r *fakeRooms) Send(via fleet.Via, p *mesh.Payload, s job.Send, traces mesh.Traces) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.traces, traces)
	if r.cut || r.loses {
		return
	}
	ret := mesh.Returns{Via: via, Job: p.Job}
	for _, d := range s.Dispatch {
		h := r.hosts[p.Targets.At(d.Ordinal).Host]
		if !h.attached || h.via != via {
			ret.NotHere = append(ret.NotHere, d.Ordinal)
			continue
		}
		r.start(h, p, d)
	}
	for _, wish := range s.Wishes {
		h := r.hosts[p.Targets.At(wish.Ordinal).Host]
		if tk := h.tasks[p.Job]; tk != nil && !tk.report.State.Final() && wish.Want >= task.DesiredStop {
			tk.report.State, tk.report.Exit = task.Canceled, task.Exit{Reason: task.Killed}
			r.report(h, p.Job, tk)
		}
	}
	for _, o := range s.Query {
		h := r.hosts[p.Targets.At(o).Host]
		if tk := h.tasks[p.Job]; tk != nil {
			r.report(h, p.Job, tk)
		} else {
			ret.NotKnown = append(ret.NotKnown, o)
		}
	}
	for _, o := range s.Forget {
		if tk := r.hosts[p.Targets.At(o).Host].tasks[p.Job]; tk != nil {
			tk.forgotten++
		}
	}
	if len(ret.NotHere)+len(ret.NotKnown) > 0 {
		r.say(func(ctx context.Context) { r.sink.Returns(ctx, ret) })
	}
}

// Forget tells a host that it may forget a job that is gone.
func (r *fakeRooms) Forget(via fleet.Via, id job.ID, host fleet.HostID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[host]
	if tk := h.tasks[id]; tk != nil && !r.cut && h.attached && h.via == via {
		tk.forgotten++
	}
}

// start is a host that gets a dispatch; mu is held.
func (w *world) start(h *fakeHost, p *mesh.Payload, d job.Dispatch) {
	if p.Tree == nil || p.Tree.Root() == [32]byte{} {
		w.t.Error("a dispatch came without its tree")
	}
	tk := h.tasks[p.Job]
	if tk != nil && tk.report.Attempt >= d.Attempt {
		w.report(h, p.Job, tk)
		return
	}
	tk = &fakeTask{pool: p.Pool, ordinal: d.Ordinal, report: task.Report{Attempt: d.Attempt, State: task.Running}}
	h.tasks[p.Job] = tk
	if d.Want > task.DesiredRun {
		tk.report.State, tk.report.Exit = task.Canceled, task.Exit{Reason: task.BeforeStart}
		w.report(h, p.Job, tk)
		return
	}
	tk.started++
	end := outcome{state: task.Succeeded, output: []byte("hello\n")}
	if w.does != nil {
		end = w.does(h.id, p.Job)
	}
	tk.end(end)
	w.report(h, p.Job, tk)
}

func (tk *fakeTask) end(o outcome) {
	if o.state != task.Unspecified {
		tk.report.State, tk.report.Exit, tk.output, tk.big, tk.ended = o.state, o.exit, o.output, o.big, time.Now()
		tk.cut, tk.tail = o.cut, o.tail
	}
}

// FollowOutput says what the test says.
func (r *fakeRooms) FollowOutput(ctx context.Context, _ fleet.Via, host fleet.HostID, v wire.View, each func(wire.OutputPiece) error) error {
	r.mu.Lock()
	follows := r.follows
	r.mu.Unlock()
	if follows == nil {
		return wire.ErrUnavailable
	}
	return follows(ctx, host, v, each)
}

// FetchBlob is an output that was too large for a report.
func (r *fakeRooms) FetchBlob(_ context.Context, _ fleet.Via, digest [32]byte, _ uint64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetched++
	if r.fetchFaults > 0 {
		r.fetchFaults--
		return nil, wire.ErrUnavailable
	}
	content, ok := r.big[digest]
	if !ok {
		return nil, wire.ErrNotFound
	}
	return content, nil
}

// finish ends a task that runs.
func (w *world) finish(host fleet.HostID, id job.ID, o outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tk := w.hosts[host].tasks[id]
	if tk == nil {
		w.t.Errorf("host %s does not know job %s", host, id)
		return
	}
	tk.end(o)
	w.report(w.hosts[host], id, tk)
}

// add makes a host, away at first.
func (w *world) add(id fleet.HostID, room fleet.Room, via fleet.Via) *fakeHost {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := sha256.Sum256([]byte(id))
	h := &fakeHost{id: id, room: room, inc: fleet.Incarnation(sum[:16]), via: via, tasks: map[job.ID]*fakeTask{}}
	w.hosts[id] = h
	return h
}

// attach opens a session of a host.
func (w *world) attach(id fleet.HostID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[id]
	h.attached = true
	h.session++
	w.tell(h)
	for jid, tk := range h.tasks {
		w.report(h, jid, tk)
	}
}

// detach ends the session of a host.
func (w *world) detach(id fleet.HostID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[id].attached = false
	w.tell(w.hosts[id])
}

// tell tells all schedulers of a host; mu is held.
func (w *world) tell(h *fakeHost) {
	a, via := h.attachment(), h.via
	for _, r := range w.rooms {
		r.say(func(ctx context.Context) {
			r.sink.Attachments(ctx, mesh.Attachments{Via: via, Items: []mesh.Attachment{a}})
		})
	}
}

// wipe is a host that has lost its state directory.
func (w *world) wipe(id fleet.HostID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[id]
	h.inc[0]++
	h.tasks = map[job.ID]*fakeTask{}
}

// task is what a host knows of a task.
func (w *world) task(host fleet.HostID, id job.ID) fakeTask {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tk := w.hosts[host].tasks[id]; tk != nil {
		return *tk
	}
	return fakeTask{}
}

// Waits is what a test has put there.
func (r *fakeRooms) Waits(_ fleet.Via, id job.ID, ordinal uint32) (mesh.Wait, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, waits := r.waiting[taskOf{id, ordinal}]
	return w, waits
}

// taskOf names a task.
type taskOf struct {
	job     job.ID
	ordinal uint32
}
