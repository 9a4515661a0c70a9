package aggregator

import (
	"context"
	"iter"
	"slices"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// releasesAtOnce is how many releases are put on their way while all else waits.
const releasesAtOnce = 512

// dispatch puts releases on their way. The error is one of this job alone.
func (h *hub) dispatch(ctx context.Context, st *stream, in *meshv1.Dispatch) error {
	defer h.worked(st, in.GetClass(), len(in.GetReleases()))
	id, releases, fresh, err := h.readDispatch(ctx, in)
	if err != nil {
		return err
	}
	if fresh != nil {
		if err := h.learn(id, in.GetPool(), fresh); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(releases, releasesAtOnce) {
		h.releases(st, id, some)
	}
	return nil
}

// release is one released target, and its trace.
type release struct {
	job.Dispatch
	trace *traced // nil: it is not traced
}

// releases puts some releases on their way, or says why it cannot.
func (h *hub) releases(st *stream, id job.ID, releases []release) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.jobs[id]
	if j == nil || j.capsule == nil {
		st.returnOf(id).needPayload = true
		return
	}
	j.used = time.Now()
	for _, re := range releases {
		target, known := j.target(re.Ordinal)
		ho := h.hosts[target.Host]
		switch {
		case !known:
			st.returnOf(id).needPayload = true
		case !ho.here(target.Incarnation):
			st.returnOf(id).notHere[re.Ordinal] = target.Host
		default:
			ho.release(j, target.Incarnation, re)
			ho.session.poke()
		}
	}
}

// readDispatch does what takes time.
func (h *hub) readDispatch(ctx context.Context, in *meshv1.Dispatch) (id job.ID, releases []release, fresh *payload, err error) {
	if id, err = wire.JobID(in.GetJobId()); err != nil {
		return id, nil, nil, err
	}
	for _, r := range in.GetReleases() {
		read, err := wire.ReleaseFromProto(r)
		if err != nil {
			return id, nil, nil, err
		}
		releases = append(releases, release{read, tracedBy(ctx, r.GetTraceParent())})
	}
	payload := in.GetPayload()
	if payload != nil && payload.GetCapsule() == nil {
		payload = h.complete(id, payload)
	}
	if payload != nil {
		fresh, err = verifyPayload(id, payload)
	}
	return id, releases, fresh, err
}

// complete is a payload with the capsule that came with an earlier run; nil: it is
// not held any more, and the releases ask for all of it.
func (h *hub) complete(id job.ID, p *meshv1.Payload) *meshv1.Payload {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.jobs[id]
	if j == nil || j.capsule == nil {
		return nil
	}
	return &meshv1.Payload{Capsule: j.capsule, Targets: p.GetTargets(), Proof: p.GetProof()}
}

// release puts one release on its way, or answers it with what the host has
// said already.
func (ho *host) release(j *knownJob, inc fleet.Incarnation, re release) {
	r := ho.hold(j, inc, j.class)
	if r.answers(re.Attempt) {
		r.route()
		if re.Want > task.DesiredRun && r.isLive() {
			r.tell(re.Want)
		}
		return
	}
	if re.Attempt > r.attempt {
		r.attempt, r.want, r.trace = re.Attempt, task.DesiredRun, nil
	}
	r.ordinal, r.run = re.Ordinal, j.run(re.Ordinal)
	r.want = max(r.want, re.Want)
	r.traceWith(re.trace)
	r.send()
	r.changed()
}

// worked gives credit back for releases, or withholds it while there is no room.
func (h *hub) worked(st *stream, class string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n == 0 || h.streams[st.name] != st {
		return
	}
	if payer := h.tasks.payer(class); h.full(payer) {
		st.withheld[class] += uint32(n) // a message holds no 2^32 releases
		withhold(h.thirsty, payer, st)
		return
	}
	st.owed[class] += uint32(n)
	st.poke()
}

// wishes passes on wishes and Forgets. The error is one of this job alone.
func (h *hub) wishes(st *stream, in *meshv1.Wishes) error {
	id, err := wire.JobID(in.GetJobId())
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted(st, id, wire.WishesOf(in))
	for _, done := range in.GetForget() {
		if ho := h.hosts[fleet.HostID(done.GetHostId())]; ho != nil {
			for r := ho.tasks[id]; r != nil; r = r.next {
				r.forget()
			}
			ho.addForget(id)
		}
	}
	h.relieve()
	return nil
}

// wanted passes on what is wanted of tasks. A wish names an ordinal alone: whose
// it is says the payload, or else the reports of the job that claim it.
func (h *hub) wanted(st *stream, id job.ID, wishes iter.Seq[job.Wish]) {
	j := h.jobs[id]
	var claims map[uint32][]*record
	for wish := range wishes {
		if j != nil {
			if target, known := j.target(wish.Ordinal); known {
				h.wantOf(st, j, target, wish)
				continue
			}
		}
		if claims == nil {
			claims = h.claims(id)
		}
		for _, r := range claims[wish.Ordinal] {
			r.obey(wish)
		}
		if len(claims[wish.Ordinal]) == 0 {
			st.returnOf(id).needPayload = true
		}
	}
}

// wantOf passes on what is wanted of the task of a known target.
func (h *hub) wantOf(st *stream, j *knownJob, target job.Target, wish job.Wish) {
	ho := h.hosts[target.Host]
	if !ho.here(target.Incarnation) {
		st.returnOf(j.id).notHere[wish.Ordinal] = target.Host
		return
	}
	ho.hold(j, target.Incarnation, j.class).obey(wish)
}

// claims is who reports of a job, by the ordinal that it says it has. Who lies
// gets a wish that is not for it, and keeps it from nobody.
func (h *hub) claims(id job.ID) map[uint32][]*record {
	out := map[uint32][]*record{}
	for _, ho := range h.hosts {
		for r := ho.tasks[id]; r != nil; r = r.next {
			if r.said != nil && ho.here(r.inc) {
				out[r.said.GetOrdinal()] = append(out[r.said.GetOrdinal()], r)
			}
		}
	}
	return out
}

// obey passes a wish on. A task that has ended says so again.
func (r *record) obey(w job.Wish) {
	if r.said != nil && (r.seen.State.Final() || r.pastW) && !r.queued {
		r.route()
		return
	}
	r.attempt = max(r.attempt, w.Attempt)
	r.tell(w.Want)
	r.host.session.poke()
}

// query says what is known of tasks. The error is one of this job alone.
func (h *hub) query(st *stream, in *meshv1.Query) error {
	id, err := wire.JobID(in.GetJobId())
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range in.GetTasks() {
		h.answer(question{st, id, t.GetOrdinal()}, fleet.HostID(t.GetHostId()))
	}
	return nil
}

// question is what a scheduler wants to know of one host.
type question struct {
	st      *stream
	id      job.ID
	ordinal uint32
}

// answer says what is known of one task. Of a host that has not said everything
// yet it does so when that has; otherwise a scheduler that has just taken over,
// with hosts that have just come, would only hear when it asks the next time.
func (h *hub) answer(q question, host fleet.HostID) {
	ho := h.hosts[host]
	said, waits := false, false
	if ho != nil {
		for r := ho.tasks[q.id]; r != nil; r = r.next {
			if r.said != nil {
				r.route()
				said = true
			}
			waits = waits || r.queued && !r.had()
		}
	}
	switch {
	case ho == nil || ho.session == nil:
		q.st.returnOf(q.id).notHere[q.ordinal] = host
	case said || waits:
	case ho.session.synced:
		q.st.returnOf(q.id).notKnown[q.ordinal] = host
	default:
		ho.session.keep(q)
	}
}

// answerAll answers what was asked before the host had said everything.
func (se *session) answerAll() {
	for q := range se.takeQuestions() {
		if se.hub.streams[q.st.name] == q.st {
			se.hub.answer(q, se.host.id)
		}
	}
}
