package cctest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Submission is a job as it goes over the wire, so that a test can make one
// that the SDK would not. What [Cluster.Forge] returns is right in everything;
// the test makes one thing wrong.
type Submission struct {
	Payload    capsule.Payload // its Root and Count are those of the resolved list
	Key        ed25519.PrivateKey
	Rollout    job.Rollout
	Note       string
	Resolution *accessv1.Resolution
	Rooms      []*typesv1.RoomTargets
	// Edit changes what was signed; may be nil.
	Edit func(*capsule.Envelope)
}

// Forge resolves hosts and makes a submission of argv for them.
func (c *Cluster) Forge(hosts []string, argv ...string) *Submission {
	c.t.Helper()
	stream, err := accessv1.NewAccessServiceClient(c.conn).ResolveTargets(c.ctx, &accessv1.ResolveTargetsRequest{
		Query: &accessv1.TargetQuery{Hosts: hosts},
	})
	must(c.t, err)
	s := &Submission{Key: c.trust.user}
	var list job.TargetsBuilder
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(c.t, err)
		if s.Resolution == nil {
			s.Resolution = piece.GetResolution()
		}
		s.Rooms = append(s.Rooms, piece.GetRooms()...)
		must(c.t, wire.AddTargets(&list, piece.GetRooms()))
	}
	targets, err := list.Build()
	must(c.t, err)
	leaves := make([]capsule.Hash, targets.Len())
	for i := range leaves {
		leaves[i] = capsule.LeafHash(targets.At(uint32(i)).Host, targets.At(uint32(i)).Incarnation)
	}
	now := time.Now()
	s.Payload = capsule.Payload{
		JobID: NewID(now), Class: "standard", Root: capsule.Root(leaves), Count: uint64(len(leaves)),
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		Command: capsule.Command{
			Kind: capsule.Argv, Argv: argv, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1,
		},
	}
	s.Rollout = job.Rollout{Deadline: now.Add(time.Hour)}
	return s
}

// NewID is a job id of a moment.
func NewID(at time.Time) job.ID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails
	return job.NewID(at, random)
}

// Submit sends a submission once, as it is, and returns the answer or the
// status.
func (c *Cluster) Submit(s *Submission) (*accessv1.SubmitJobResponse, *status.Status) {
	c.t.Helper()
	envelope, err := capsule.Sign(s.Payload, s.Key)
	must(c.t, err)
	if s.Edit != nil {
		s.Edit(&envelope)
	}
	stream, err := accessv1.NewAccessServiceClient(c.conn).SubmitJob(c.ctx)
	must(c.t, err)
	header := &accessv1.SubmitJobHeader{
		Capsule: wire.EnvelopeToProto(envelope), Rollout: wire.RolloutToProto(s.Rollout), Resolution: s.Resolution, Note: s.Note,
	}
	err = stream.Send(&accessv1.SubmitJobRequest{Header: header})
	if err == nil {
		err = stream.Send(&accessv1.SubmitJobRequest{Rooms: s.Rooms})
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the answer says why
		return nil, status.Convert(err)
	}
	answer, err := stream.CloseAndRecv()
	return answer, status.Convert(err)
}
