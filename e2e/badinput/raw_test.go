package badinput

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// rawClient is the demo user with a client that does not know better: it says
// on the wire what SDK and ccsctl never would.
type rawClient struct {
	access accessv1.AccessServiceClient
	key    ed25519.PrivateKey
}

func newRaw(t *testing.T, c *rig.Cluster) rawClient {
	t.Helper()
	f := c.UserFiles()
	source, err := identity.NewSource(f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := identity.DecodeKey(text)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(c.AccessAddresses()[0], grpc.WithTransportCredentials(credentials.NewTLS(source.ClientTLS(identity.Access))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return rawClient{accessv1.NewAccessServiceClient(conn), key}
}

// submission is a job as it goes over the wire, before it is signed.
type submission struct {
	payload  capsule.Payload
	resolved *accessv1.Resolution
	rollout  *typesv1.Rollout
	note     string
	rooms    []*typesv1.RoomTargets
	tamper   func(payload []byte) []byte // what is signed instead; nil: the payload
}

// good is a submission with nothing wrong, of a command that tells a witness.
func (r rawClient) good(t *testing.T, w rig.Witness) submission {
	t.Helper()
	stream, err := r.access.ResolveTargets(t.Context(), &accessv1.ResolveTargetsRequest{Query: &accessv1.TargetQuery{All: true}})
	if err != nil {
		t.Fatal(err)
	}
	var s submission
	var builder job.TargetsBuilder
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s.resolved == nil {
			s.resolved = msg.GetResolution()
		}
		s.rooms = append(s.rooms, msg.GetRooms()...)
		if err := wire.AddTargets(&builder, msg.GetRooms()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.payload = capsule.Payload{
		JobID: job.NewID(now, [10]byte{1, 2, 3}), Class: "standard", Count: uint64(list.Len()), Root: rootOf(list),
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		Command: capsule.Command{
			Kind: capsule.Argv, Argv: []string{"sh", "-c", w.Says("started")},
			TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1,
		},
	}
	s.rollout = &typesv1.Rollout{Deadline: timestamppb.New(now.Add(time.Hour))}
	return s
}

// extended is a tamper that makes a payload one of version 2 with such an
// extension.
func extended(kind byte, data ...byte) func([]byte) []byte {
	return func(payload []byte) []byte {
		payload[0] = 2
		n := byte(len(data))
		return append(append(payload, 0, n+4, 0, kind, 0, n), data...)
	}
}

func rootOf(list *job.Targets) capsule.Hash {
	leaves := make([]capsule.Hash, list.Len())
	for i := range leaves {
		target := list.At(uint32(i))
		leaves[i] = capsule.LeafHash(target.Host, target.Incarnation)
	}
	return capsule.Root(leaves)
}

// submit signs and sends it.
func (r rawClient) submit(t *testing.T, s submission) (*accessv1.SubmitJobResponse, error) {
	t.Helper()
	payload, err := s.payload.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if s.tamper != nil {
		payload = s.tamper(payload)
	}
	envelope := capsule.Seal(capsule.PayloadType, payload, r.key)
	stream, err := r.access.SubmitJob(t.Context())
	if err != nil {
		return nil, err
	}
	header := &accessv1.SubmitJobHeader{Capsule: wire.EnvelopeToProto(envelope), Rollout: s.rollout, Resolution: s.resolved, Note: s.note}
	if err := stream.Send(&accessv1.SubmitJobRequest{Header: header}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := stream.Send(&accessv1.SubmitJobRequest{Rooms: s.rooms}); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return stream.CloseAndRecv()
}

// answer is a status as the transcript has it.
func answer(err error) string {
	if err == nil {
		return "OK"
	}
	s := status.Convert(err)
	return fmt.Sprintf("%s: %s", s.Code(), s.Message())
}
