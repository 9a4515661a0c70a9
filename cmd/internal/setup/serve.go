package setup

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Serve runs a server until ctx ends, and writes the ready file with its
// addresses once it is ready. Its error is the server's, or that of the file.
func (p Process) Serve(ctx context.Context, ready <-chan struct{}, addresses map[string]string, run func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return run(ctx) })
	group.Go(func() error {
		select {
		case <-ready:
			return p.Ready(addresses)
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}
