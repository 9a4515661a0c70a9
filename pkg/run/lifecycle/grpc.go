package lifecycle

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
)

// GRPC returns the part that serves srv on lis. It stops gracefully for at most
// drain, and then hard: calls that are open are cut off. Streams that never end
// by themselves should be told before, by a part that is started later.
func GRPC(name string, srv *grpc.Server, lis net.Listener, drain time.Duration) Part {
	return Part{
		Name: name,
		Run: func(context.Context) error { // Stop ends it
			if err := srv.Serve(lis); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil
		},
		Stop: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, drain)
			defer cancel()
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				srv.GracefulStop()
			}()
			select {
			case <-drained:
			case <-ctx.Done():
				srv.Stop() // ends GracefulStop as well
				<-drained
			}
			return nil
		},
	}
}
