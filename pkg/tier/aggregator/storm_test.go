package aggregator

import (
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// storm is one hub between model hosts and a model scheduler, without gRPC:
// sessions and streams break between any two steps, with what was on its way.
type storm struct {
	t     *testing.T
	rng   *rand.Rand
	hub   *hub
	hosts []*modelHost
	jobs  []*aJob
	owner modelOwner
}

// modelHost does what an agent and its executor must.
type modelHost struct {
	name    string
	se      *session // nil: away
	number  uint64
	beats   uint64
	have    uint64
	synced  bool
	tasks   map[job.ID]task.State
	gone    map[job.ID]bool // tombstones
	starts  map[job.ID]int
	reports *link.Outbox[job.ID]
}

// modelOwner does what a scheduler must.
type modelOwner struct {
	st    *stream // nil: away
	epoch uint64
	seen  map[wireTask]task.State
}

type wireTask struct {
	id   job.ID
	host string
}

func newStorm(t *testing.T, seed uint64, jobs []*aJob, hosts []string) *storm {
	t.Helper()
	s := &storm{t: t, rng: rand.New(rand.NewPCG(seed, 1)), jobs: jobs, owner: modelOwner{seen: map[wireTask]task.State{}}}
	for _, name := range hosts {
		s.hosts = append(s.hosts, &modelHost{
			name: name, tasks: map[job.ID]task.State{}, gone: map[job.ID]bool{}, starts: map[job.ID]int{}, reports: link.NewOutbox[job.ID](),
		})
	}
	s.restart()
	return s
}

// restart is another aggregator in the place of the one before.
func (s *storm) restart() {
	cfg := DefaultConfig()
	cfg.AdmitPerSecond = 1_000_000
	s.hub = newHub(cfg, slog.New(slog.DiscardHandler), obs.Telemetry{})
	s.owner.st = nil
	for _, h := range s.hosts {
		h.se = nil
	}
}

func (s *storm) attach(h *modelHost) {
	if h.se != nil {
		s.hub.leave(h.se)
	}
	h.number++
	se, err := s.hub.open(wire.Hello{
		Host: fleet.HostID(h.name), Incarnation: incarnationOf(h.name), Session: h.number,
		Spool: h.reports.Spool(), Credits: wire.Credits{wire.EveryClass: 1000},
	}, wire.SessionVersions.Max, "")
	if err != nil {
		s.t.Fatal(err)
	}
	h.se, h.beats, h.have, h.synced = se, 0, 0, false
	h.reports.Open(s.hub.spool)
}

func (s *storm) connect() {
	if s.owner.st != nil {
		s.hub.disconnect(s.owner.st)
	}
	st, err := s.hub.connect(&meshv1.SchedulerHello{Scheduler: "s1", Pool: "standard", Credits: wire.CreditsToProto(wire.Credits{wire.EveryClass: 1000})}, &meshv1.AggregatorHello{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.owner.st = st
	s.owner.epoch++
	owns := wire.Owns{Count: 1, Epochs: map[uint16]job.Epoch{0: {N: s.owner.epoch}}}
	s.tell(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Owns{Owns: wire.OwnsToProto(owns)}})
}

func (s *storm) tell(m *meshv1.ConnectRequest) {
	if err := s.owner.st.take(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

// beat sends one heartbeat of a host.
func (s *storm) beat(h *modelHost, limit int) {
	if h.se == nil {
		return
	}
	h.beats++
	hb := &sessionv1.Heartbeat{Number: h.beats, HaveReply: h.have}
	for _, id := range h.reports.NextAs(h.beats, limit) {
		hb.Reports = append(hb.Reports, wire.ReportToProto(wire.Report{Job: id, Pool: "standard", Class: "standard", Seen: task.Report{Attempt: 1, State: h.tasks[id]}}))
	}
	if !h.synced && h.reports.Pending() == 0 {
		h.synced, hb.ResyncComplete = true, true
	}
	if err := h.se.heartbeat(s.t.Context(), hb); err != nil {
		s.t.Fatal(err)
	}
}

// listen gives a host its replies, or loses the last one with the session.
func (s *storm) listen(h *modelHost, lose bool) {
	if h.se == nil {
		return
	}
	for out, _ := s.hub.reply(s.t.Context(), h.se); out != nil; out, _ = s.hub.reply(s.t.Context(), h.se) {
		if lose {
			s.hub.leave(h.se)
			h.se = nil
			return
		}
		h.take(out.GetReply())
	}
}

func (h *modelHost) take(r *sessionv1.Reply) {
	h.have = r.GetNumber()
	h.reports.Have(r.GetHaveHeartbeat())
	if r.GetResync() {
		h.reports.Reset()
		h.synced = false
	}
	for _, c := range r.GetCommands() {
		id := job.ID(c.GetJobId())
		if h.gone[id] {
			continue
		}
		if _, known := h.tasks[id]; !known {
			h.tasks[id] = task.Accepted
			h.starts[id]++
		}
		h.reports.Put(id)
	}
	for _, b := range r.GetForget() {
		id := job.ID(b)
		h.reports.Forget(id)
		if _, known := h.tasks[id]; known {
			delete(h.tasks, id)
			h.gone[id] = true
		}
	}
}

// work lets a task of a host come further.
func (h *modelHost) work(id job.ID) {
	next := map[task.State]task.State{task.Accepted: task.Running, task.Running: task.Succeeded}
	if to, live := next[h.tasks[id]]; live {
		h.tasks[id] = to
		h.reports.Put(id)
	}
}

// hear gives the owner what is due for it; every outcome is answered by Forget,
// unless the owner dies before.
func (s *storm) hear(dies bool) {
	if s.owner.st == nil {
		return
	}
	for m := s.hub.message(s.owner.st); m != nil; m = s.hub.message(s.owner.st) {
		for _, of := range m.GetReports().GetJobs() {
			forget := &meshv1.Wishes{JobId: of.GetJobId()}
			for _, item := range of.GetItems() {
				at, state := wireTask{job.ID(of.GetJobId()), item.GetHostId()}, task.State(item.GetResult().GetStatus().GetState())
				s.owner.seen[at] = max(s.owner.seen[at], state)
				if state.Final() {
					forget.Forget = append(forget.Forget, &meshv1.HostOrdinal{HostId: item.GetHostId()})
				}
			}
			if dies {
				s.hub.disconnect(s.owner.st)
				s.owner.st = nil
				return
			}
			s.tell(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: forget}})
		}
		if r := m.GetReports(); r != nil {
			s.tell(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Have{Have: &meshv1.HaveReports{Class: r.GetClass(), Number: r.GetNumber()}}})
			s.tell(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Credits{Credits: &meshv1.Credits{
				Credits: wire.CreditsToProto(wire.Credits{r.GetClass(): uint32(len(r.GetJobs()))}),
			}}})
		}
	}
}

// dispatch releases what has no outcome.
func (s *storm) dispatch(j *aJob, payload bool) {
	if s.owner.st == nil {
		return
	}
	d := &meshv1.Dispatch{JobId: j.id[:], Pool: "standard", Class: j.class}
	for ordinal, target := range j.targets {
		if !s.owner.seen[wireTask{j.id, string(target.Host)}].Final() {
			d.Releases = append(d.Releases, wire.ReleaseToProto(job.Dispatch{Ordinal: uint32(ordinal), Attempt: 1}))
		}
	}
	if payload {
		d.Payload = j.payload(s.t)
	}
	s.tell(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Dispatch{Dispatch: d}})
}

func TestNothingIsLostInAnyStorm(t *testing.T) {
	w := &world{t: t}
	var err error
	if _, w.user, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	hosts := []string{"h1", "h2", "h3"}
	jobs := []*aJob{w.job("standard", 0, hosts...), w.job("standard", 0, hosts...), w.job("standard", 0, hosts[:1]...), w.job("standard", 0, hosts[1:]...)}
	for seed := range uint64(2000) {
		s := newStorm(t, seed, jobs, hosts)
		for range 150 {
			s.step()
		}
		s.calm()
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// step lets something happen.
func (s *storm) step() {
	h, j, coin := s.hosts[s.rng.IntN(len(s.hosts))], s.jobs[s.rng.IntN(len(s.jobs))], s.rng.IntN(4) == 0
	switch s.rng.IntN(14) {
	case 0:
		s.attach(h)
	case 1:
		if h.se != nil && coin {
			s.hub.leave(h.se)
			h.se = nil
		}
	case 2, 3:
		s.beat(h, s.rng.IntN(4))
	case 4, 5:
		s.listen(h, coin)
	case 6, 7:
		h.work(j.id)
	case 8:
		if s.owner.st == nil || coin {
			s.connect()
		}
	case 9, 10:
		s.hear(coin)
	case 11, 12:
		s.dispatch(j, !coin)
	case 13:
		if coin {
			s.hub.sweep(time.Now().Add([]time.Duration{keepForAway, keepSaid}[s.rng.IntN(2)]))
		} else if s.rng.IntN(20) == 0 {
			s.restart()
		}
	}
}

// calm lets everything be connected and run to its end, and then demands that
// every task was done once and is forgotten everywhere.
func (s *storm) calm() {
	s.connect()
	for _, h := range s.hosts {
		if h.se == nil {
			s.attach(h)
		}
	}
	for range 12 {
		for _, j := range s.jobs {
			s.dispatch(j, true)
			for _, h := range s.hosts {
				h.work(j.id)
			}
		}
		for _, h := range s.hosts {
			s.beat(h, 100)
			s.listen(h, false)
		}
		s.hear(false)
	}
	for _, j := range s.jobs {
		for _, target := range j.targets {
			if got := s.owner.seen[wireTask{j.id, string(target.Host)}]; got != task.Succeeded {
				s.t.Errorf("the owner knows %s of job %s on %s", got, j.id, target.Host)
			}
		}
	}
	for _, h := range s.hosts {
		if len(h.tasks) != 0 || h.reports.Len() != 0 {
			s.t.Errorf("host %s still holds %d tasks and %d reports", h.name, len(h.tasks), h.reports.Len())
		}
		for id, n := range h.starts {
			if n != 1 {
				s.t.Errorf("host %s took job %s %d times", h.name, id, n)
			}
		}
		if ho := s.hub.hosts[fleet.HostID(h.name)]; len(ho.tasks) != 0 || ho.forgets.size() != 0 || ho.queued != 0 {
			s.t.Errorf("of host %s are held %d tasks, %d forgets, %d releases", h.name, len(ho.tasks), ho.forgets.size(), ho.queued)
		}
	}
	if s.hub.tasks.total() != 0 {
		s.t.Errorf("%d tasks are held", s.hub.tasks.total())
	}
}
