package aggregator

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// shards is how many the pool of these tests has.
const shards = 4

// scheduler is a scheduler's stream as these tests script it.
type scheduler struct {
	w      *world
	name   string
	conn   *grpc.ClientConn
	client meshv1.MeshServiceClient
	stream grpc.BidiStreamingClient[meshv1.ConnectRequest, meshv1.ConnectResponse]
	cancel context.CancelFunc
	sent   map[job.ID]bool // payloads
	done   chan struct{}

	mu       sync.Mutex
	messages []*meshv1.ConnectResponse
	err      error
}

// scheduler is one with a stream, that owns nothing yet.
func (w *world) scheduler(name string, credits wire.Credits) *scheduler {
	w.t.Helper()
	s := w.deafScheduler(name, credits)
	s.done = make(chan struct{})
	go s.listen()
	w.settle()
	return s
}

// deafScheduler is one that reads nothing.
func (w *world) deafScheduler(name string, credits wire.Credits) *scheduler {
	w.t.Helper()
	s := &scheduler{w: w, name: name, sent: map[job.ID]bool{}}
	s.conn = w.dial(identity.Scheduler, name, w.mesh)
	s.client = meshv1.NewMeshServiceClient(s.conn)
	ctx, cancel := context.WithCancel(w.t.Context())
	s.cancel = cancel
	w.peers = append(w.peers, s.hangUp)
	var err error
	if s.stream, err = s.client.Connect(ctx); err != nil {
		w.t.Fatal(err)
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Hello{Hello: &meshv1.SchedulerHello{
		Versions: wire.VersionsToProto(wire.MeshVersions), Scheduler: name, Pool: "standard", BootId: "boot", Credits: wire.CreditsToProto(credits),
	}}})
	w.settle()
	return s
}

// owner is a scheduler with ample credit that owns the whole pool.
func (w *world) owner(name string, epoch uint64) *scheduler {
	s := w.scheduler(name, wire.Credits{wire.EveryClass: 10_000})
	s.owns(epoch, 0, 1, 2, 3)
	return s
}

func (s *scheduler) listen() {
	defer close(s.done)
	for {
		in, err := s.stream.Recv()
		s.mu.Lock()
		if err != nil {
			s.err = err
			s.mu.Unlock()
			return
		}
		s.messages = append(s.messages, in)
		s.mu.Unlock()
	}
}

func (s *scheduler) hangUp() {
	s.cancel()
	_ = s.conn.Close()
	if s.done != nil {
		<-s.done
	}
	s.w.settle()
}

func (s *scheduler) send(m *meshv1.ConnectRequest) {
	_ = s.stream.Send(m) // s.err tells
}

func (s *scheduler) owns(epoch uint64, n ...uint16) {
	owns := wire.Owns{Count: shards, Epochs: map[uint16]job.Epoch{}}
	for _, shard := range n {
		owns.Epochs[shard] = job.Epoch{Generation: 1, N: epoch}
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Owns{Owns: wire.OwnsToProto(owns)}})
	s.w.settle()
}

// dispatch releases a job to hosts, with the payload if it was not sent yet.
func (s *scheduler) dispatch(j *aJob, hosts ...string) {
	d := s.dispatchOf(j, 1, hosts...)
	if !s.sent[j.id] {
		d.Payload = j.payload(s.w.t)
		s.sent[j.id] = true
	}
	s.sendDispatch(d)
}

func (s *scheduler) dispatchOf(j *aJob, attempt uint32, hosts ...string) *meshv1.Dispatch {
	d := &meshv1.Dispatch{JobId: j.id[:], Pool: "standard", Class: j.class, Epoch: &meshv1.Epoch{Generation: 1, N: 1}}
	for _, h := range hosts {
		d.Releases = append(d.Releases, wire.ReleaseToProto(job.Dispatch{Ordinal: j.ordinal(h), Attempt: attempt}))
	}
	return d
}

func (s *scheduler) sendDispatch(d *meshv1.Dispatch) {
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Dispatch{Dispatch: d}})
	s.w.settle()
}

func (s *scheduler) stop(j *aJob, hosts ...string) {
	wishes := &meshv1.Wishes{JobId: j.id[:]}
	for _, h := range hosts {
		wishes.Stop = append(wishes.Stop, wire.ReleaseToProto(job.Dispatch{Ordinal: j.ordinal(h), Attempt: 1}))
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: wishes}})
	s.w.settle()
}

// withdraw wishes that what has not started of a job does not start.
func (s *scheduler) withdraw(j *aJob, hosts ...string) {
	wishes := &meshv1.Wishes{JobId: j.id[:]}
	for _, h := range hosts {
		wire.AddWish(wishes, job.Wish{Ordinal: j.ordinal(h), Attempt: 1, Want: task.DesiredWithdraw})
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: wishes}})
	s.w.settle()
}

func (s *scheduler) forget(j *aJob, hosts ...string) {
	wishes := &meshv1.Wishes{JobId: j.id[:]}
	for _, h := range hosts {
		wishes.Forget = append(wishes.Forget, wire.HostOrdinalToProto(j.ordinal(h), fleet.HostID(h)))
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: wishes}})
	s.w.settle()
}

func (s *scheduler) query(j *aJob, hosts ...string) {
	q := &meshv1.Query{JobId: j.id[:]}
	for _, h := range hosts {
		q.Tasks = append(q.Tasks, wire.HostOrdinalToProto(j.ordinal(h), fleet.HostID(h)))
	}
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Query{Query: q}})
	s.w.settle()
}

func (s *scheduler) have(class string, number uint64) {
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Have{Have: &meshv1.HaveReports{Class: class, Number: number}}})
	s.w.settle()
}

func (s *scheduler) grant(credits wire.Credits) {
	s.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Credits{Credits: &meshv1.Credits{Credits: wire.CreditsToProto(credits)}}})
	s.w.settle()
}

func (s *scheduler) seen() []*meshv1.ConnectResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// clear forgets what came.
func (s *scheduler) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

func (s *scheduler) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// heard is a report as it came, with its job.
type heard struct {
	job job.ID
	wire.HostReport
}

func (s *scheduler) batches() (out []*meshv1.Reports) {
	for _, m := range s.seen() {
		if m.GetReports() != nil {
			out = append(out, m.GetReports())
		}
	}
	return out
}

func (s *scheduler) reports() (out []heard) {
	s.w.t.Helper()
	for _, batch := range s.batches() {
		for _, of := range batch.GetJobs() {
			for _, item := range of.GetItems() {
				r, err := wire.HostReportFromProto(item)
				if err != nil {
					s.w.t.Fatal(err)
				}
				out = append(out, heard{job.ID(of.GetJobId()), r})
			}
		}
	}
	return out
}

func (s *scheduler) returns() (out []*meshv1.Returns) {
	for _, m := range s.seen() {
		if m.GetReturns() != nil {
			out = append(out, m.GetReturns())
		}
	}
	return out
}

func (s *scheduler) attachments() (out []*meshv1.Attachments) {
	for _, m := range s.seen() {
		if m.GetAttachments() != nil {
			out = append(out, m.GetAttachments())
		}
	}
	return out
}

// credit is how many further releases were granted for a class.
func (s *scheduler) credit(class string) (n uint32) {
	for _, m := range s.seen() {
		n += wire.CreditsFromProto(m.GetCredits().GetCredits())[class]
	}
	return n
}

func (j *aJob) ordinal(host string) uint32 {
	for i, t := range j.targets {
		if string(t.Host) == host {
			return uint32(i)
		}
	}
	return uint32(len(j.targets))
}

// payload is the job's payload for the whole list.
func (j *aJob) payload(t *testing.T) *meshv1.Payload {
	t.Helper()
	return j.rangeOf(t, 0, len(j.targets))
}

func (j *aJob) rangeOf(t *testing.T, first, count int) *meshv1.Payload {
	t.Helper()
	proof, err := j.tree.Range(uint64(first), uint64(count))
	if err != nil {
		t.Fatal(err)
	}
	return wire.PayloadToProto(wire.Payload{Capsule: j.envelope, Targets: j.targets[first : first+count], Proof: proof})
}

func digestOf(content []byte) [32]byte { return sha256.Sum256(content) }

// states lists what was heard of a job, in order.
func states(reports []heard, id job.ID) (out []task.State) {
	for _, r := range reports {
		if r.job == id {
			out = append(out, r.Seen.State)
		}
	}
	return out
}
