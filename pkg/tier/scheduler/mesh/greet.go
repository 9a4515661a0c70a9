package mesh

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	corelink "github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/wire"
)

type (
	stream = grpc.BidiStreamingClient[meshv1.ConnectRequest, meshv1.ConnectResponse]
	epoch  = job.Epoch
)

// room is what an aggregator says of itself.
type room struct {
	name    fleet.Room
	credits wire.Credits // with which each class begins
}

// version is the range of mesh contracts that this program speaks.
var version = corelink.VersionRange{Min: 1, Max: 1}

// greetTimeout is how long a stream may take to be opened and greeted.
const greetTimeout = 10 * time.Second

var errNoHello = errors.New("the aggregator does not answer the hello")

// greet exchanges hellos.
func (l *link) greet(s stream) (room, error) {
	hello := &meshv1.SchedulerHello{
		Versions:  &typesv1.VersionRange{Min: version.Min, Max: version.Max},
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
	if v := answer.GetVersion(); v < version.Min || v > version.Max {
		return room{}, fmt.Errorf("%w: the aggregator wants version %d of the mesh, this scheduler speaks %d to %d",
			wire.ErrMessage, v, version.Min, version.Max)
	}
	return room{name: fleet.Room(answer.GetRoom()), credits: wire.CreditsFromProto(answer.GetCredits())}, nil
}
