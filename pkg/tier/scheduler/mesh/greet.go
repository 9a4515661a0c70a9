package mesh

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

type (
	stream = grpc.BidiStreamingClient[meshv1.ConnectRequest, meshv1.ConnectResponse]
	epoch  = job.Epoch
)

// room is what an aggregator says of itself.
type room struct {
	version uint32 // of the mesh contract that the stream speaks
	name    fleet.Room
	credits wire.Credits // with which each class begins
}

// greetTimeout is how long a stream may take to be opened and greeted.
const greetTimeout = 10 * time.Second

var errNoHello = errors.New("the aggregator does not answer the hello")

// greet exchanges hellos.
func (l *link) greet(s stream) (room, error) {
	hello := &meshv1.SchedulerHello{
		Versions:  wire.VersionsToProto(wire.MeshVersions),
		Scheduler: l.mesh.cfg.Name,
		Pool:      l.mesh.cfg.Pool,
		BootId:    l.mesh.cfg.BootID,
		Credits:   wire.CreditsToProto(wire.Credits{wire.EveryClass: l.mesh.cfg.Window}),
	}
	if err := s.Send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		return room{}, err
	}
	msg, err := s.Recv()
	if err != nil {
		return room{}, err
	}
	answer := msg.GetHello()
	if answer == nil {
		return room{}, fmt.Errorf("%w: the aggregator's first message is no hello", wire.ErrMessage)
	}
	version := answer.GetVersion()
	if version < wire.MeshVersions.Min || version > wire.MeshVersions.Max {
		return room{}, fmt.Errorf("%w: the aggregator wants version %d of the mesh, this scheduler speaks %d to %d",
			wire.ErrMessage, version, wire.MeshVersions.Min, wire.MeshVersions.Max)
	}
	return room{version: version, name: fleet.Room(answer.GetRoom()), credits: wire.CreditsFromProto(answer.GetCredits())}, nil
}
