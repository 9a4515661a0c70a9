package access_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAnOutputIsFollowedAtTheOwnerUntilTheReplicaStops(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		one, two := &scheduler{pool: "standard"}, &scheduler{pool: "standard"}
		r.scheduler("s1", "standard", one, 0, 1)
		r.scheduler("s2", "standard", two, 2, 3)
		over := make(chan error, 1)
		follow := func(id string) (*accessv1.FollowOutputResponse, error) {
			stream, err := r.user.FollowOutput(t.Context(), &accessv1.FollowOutputRequest{
				JobId: id, HostId: "h1", Stream: typesv1.Stream_STREAM_STDOUT, Offset: 7, Follow: true,
			})
			must(t, err)
			m, err := stream.Recv()
			if err == nil {
				go func() {
					_, err := stream.Recv()
					over <- err
				}()
			}
			return m, err
		}
		m, err := follow(idOn(2).String())
		if err != nil || string(m.GetPiece().GetContent()) != "s2" || m.GetPiece().GetOffset() != 7 || two.callers[len(two.callers)-1] != "ann" || slices.Contains(one.calls, "FollowOutput") {
			t.Errorf("it got %v, %v", m, err)
		}
		if _, err := follow("no job"); status.Code(err) != codes.InvalidArgument {
			t.Errorf("of no job: %v", err)
		}
		synctest.Wait()
		r.stop()
		if err := <-over; status.Code(err) != codes.Unavailable || wire.RetryDelay(err) == 0 {
			t.Errorf("when the replica stops: %v", err)
		}
	})
}
