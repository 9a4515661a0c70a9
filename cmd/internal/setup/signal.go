package setup

import (
	"context"
	"fmt"
	"os"
)

// SignalError is the cause of the context of a program that was told to stop.
type SignalError struct{ Signal os.Signal }

// Error names the signal.
func (e *SignalError) Error() string { return fmt.Sprintf("received signal: %v", e.Signal) }

// heed ends the context at the first signal, and the process at the second. The
// returned function stops listening.
func heed(ctx context.Context, signals <-chan os.Signal, exit func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			select {
			case sig := <-signals:
				if !first {
					exit(ExitFailure)
					return
				}
				cancel(&SignalError{Signal: sig})
			case <-over:
				return
			}
		}
	}()
	return ctx, func() {
		close(over)
		<-done
		cancel(nil)
	}
}
