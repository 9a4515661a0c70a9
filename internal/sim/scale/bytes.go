package scale

import (
	"crypto/ed25519"
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// sizes is what messages weigh on the wire, in bytes of protobuf, as measured on
// representative ones that pkg/wire has made: a frame, and what each item adds.
type sizes struct {
	dispatch, release, target, hash, capsule int
	wishes, query, named                     int
	reports, jobReports, live, final, blob   int
	have, credits, attachment                int
	command, reply, forgotten                int
	heartbeat, hostLive, hostFinal           int
}

// measure weighs messages of a plan.
func measure(plans []*plan) sizes {
	p := plans[0]
	id, host := p.spec.ID, p.targets.At(0)
	envelope := wire.EnvelopeToProto(p.seal())
	hash := make([]byte, 32)
	result := func(s task.State) *sessionv1.Report { return wire.ReportToProto(p.said(s)) }
	up := func(s task.State) *meshv1.HostReport { return wire.PassReport(result(s), host.Host, &host.Incarnation) }
	payload := wire.PayloadToProto(wire.Payload{Targets: []job.Target{host}})
	one := func(m proto.Message) int { return protowire.SizeTag(1) + protowire.SizeBytes(proto.Size(m)) }
	return sizes{
		dispatch: proto.Size(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Dispatch{Dispatch: &meshv1.Dispatch{
			JobId: id[:], Pool: pool, Class: class, Epoch: wire.EpochToProto(job.Epoch{Generation: 1, N: 2}),
		}}}),
		release: one(wire.ReleaseToProto(job.Dispatch{Ordinal: 20_000, Attempt: 1})),
		target:  one(payload.GetTargets()[0]), hash: len(hash) + 2, capsule: one(envelope),
		wishes: proto.Size(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: &meshv1.Wishes{JobId: id[:]}}}),
		query:  proto.Size(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Query{Query: &meshv1.Query{JobId: id[:]}}}),
		named:  one(wire.HostOrdinalToProto(20_000, host.Host)),
		reports: proto.Size(&meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Reports{
			Reports: &meshv1.Reports{Class: class, Number: 200},
		}}),
		jobReports: one(&meshv1.JobReports{JobId: id[:], Pool: pool}), live: one(up(task.Running)), final: one(up(task.Succeeded)),
		blob: one(wire.BlobToProto([]byte(output))),
		have: proto.Size(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Have{Have: &meshv1.HaveReports{Class: class, Number: 200}}}),
		credits: proto.Size(&meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Credits{
			Credits: &meshv1.Credits{Credits: wire.CreditsToProto(wire.Credits{class: 500})},
		}}),
		attachment: one(wire.AttachmentToProto(wire.Attachment{
			Host: host.Host, Incarnation: host.Incarnation, Session: 9, Attached: true, Address: "10.11.12.13", Since: p.spec.Created,
		})),
		command: one(wire.DeliveryToProto(wire.Delivery{Job: id, Pool: pool, Class: class, Attempt: 1}, envelope)),
		reply: proto.Size(&sessionv1.ConnectResponse{Message: &sessionv1.ConnectResponse_Reply{
			Reply: &sessionv1.Reply{Number: 200, HaveHeartbeat: 200, ServerTime: timestamppb.New(p.spec.Created)},
		}}),
		forgotten: len(id) + 2,
		heartbeat: proto.Size(&sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Heartbeat{
			Heartbeat: &sessionv1.Heartbeat{Number: 200, HaveReply: 200, LiveCommands: 1, LiveDigest: hash},
		}}),
		hostLive: one(result(task.Running)), hostFinal: one(result(task.Succeeded)) + one(wire.BlobToProto([]byte(output))),
	}
}

// output is what every command writes.
const output = "16:04:11 up 132 days, 4:31, 0 users, load average: 0.42, 0.37, 0.35\n"

// seal is the capsule of the job, under some key.
func (p *plan) seal() capsule.Envelope {
	payload, err := capsule.Payload{
		JobID: p.spec.ID, Account: p.spec.Account, Class: class, Selector: "role=web,zone=bj", Count: uint64(len(p.hosts)),
		NotBefore: p.spec.Created, NotAfter: p.spec.StartBy,
		Command: capsule.Command{
			Kind: capsule.Argv, Argv: []string{"/usr/bin/uptime"}, Cwd: "/", RunAs: "nobody",
			TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1,
		},
	}.Marshal()
	if err != nil {
		panic(err) // a plan is drawn so that it can be signed
	}
	return capsule.Seal(capsule.PayloadType, payload, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
}

// said is a host's report of the job.
func (p *plan) said(s task.State) wire.Report {
	r := wire.Report{Job: p.spec.ID, Pool: pool, Class: class, Ordinal: 20_000, Seen: task.Report{Attempt: 1, State: s}}
	r.Detail.StartedAt = p.spec.Created.Add(123 * time.Millisecond)
	if s.Final() {
		r.Detail.EndedAt = p.spec.Created.Add(4567 * time.Millisecond)
		r.Detail.Signature = make([]byte, ed25519.SignatureSize)
		r.Detail.Outputs = []job.OutputRef{{Stream: job.Stdout, Digest: [32]byte{1}, Size: uint64(len(output))}, {Stream: job.Stderr}}
	}
	return r
}

// proof is how many hashes prove a room's run of the targets.
func (p *plan) proof(r job.RoomRange) int {
	if p.tree == nil {
		leaves := make([]capsule.Hash, len(p.hosts))
		for o := range leaves {
			t := p.targets.At(uint32(o))
			leaves[o] = capsule.LeafHash(t.Host, t.Incarnation)
		}
		tree, err := capsule.NewTree(leaves)
		if err != nil {
			panic(err) // a plan has targets
		}
		p.tree = tree
	}
	proof, err := p.tree.Range(uint64(r.First), uint64(r.Count))
	if err != nil {
		panic(err) // the run is the list's own
	}
	return len(proof.Hashes)
}

// depth is how many hashes prove one leaf of the plan's tree.
func (p *plan) depth() int { return bits.Len(uint(len(p.hosts) - 1)) }

// commandOf is a command with its capsule and proof.
func (s *sizes) commandOf(p *plan) int { return s.command + p.depth()*s.hash }

// said is a host's report on its session.
func (s *sizes) said(r task.Report) int {
	if r.State.Final() {
		return s.hostFinal
	}
	return s.hostLive
}

// weigh is a batch of reports, by job. Equal outputs are sent once.
func (w *world) weigh(batch []report) int {
	sum, before, outputs := w.sizes.reports, (*plan)(nil), 0
	for _, r := range batch {
		size := w.sizes.live
		if r.seen.State.Final() {
			size, outputs = w.sizes.final, w.sizes.blob
		}
		if r.plan != before {
			size, before = size+w.sizes.jobReports, r.plan
		}
		w.Traffic[r.plan.kind()].Up += uint64(size)
		w.Traffic[r.plan.kind()].Reports++
		sum += size
	}
	return sum + outputs
}

func (w *world) weighWishes(p *plan, n int) int {
	size := w.sizes.wishes + n*w.sizes.named
	w.Traffic[p.kind()].Down += uint64(size)
	return size
}

func (w *world) weighQuery(p *plan, n int) int {
	size := w.sizes.query + n*w.sizes.named
	w.Traffic[p.kind()].Asked += uint64(size)
	return size
}

// weighDispatch is a dispatch of n releases, with the capsule and the room's
// targets if the stream has not had them.
func (w *world) weighDispatch(m *mesh, p *plan, n int) int {
	t := &w.Traffic[p.kind()]
	size := w.sizes.dispatch + n*w.sizes.release
	proof, once := 0, 0
	if _, had := m.sent[p]; !had {
		m.sent[p] = struct{}{}
		for _, r := range p.targets.Rooms() {
			if r.Room == roomName(m.agg.room) {
				size += int(r.Count) * w.sizes.target
				proof = p.proof(r)
			}
		}
		proof, once = proof*w.sizes.hash, w.sizes.capsule
	}
	t.Down += uint64(size)
	t.Proofs += uint64(proof)
	t.Capsules += uint64(once)
	return size + proof + once
}
