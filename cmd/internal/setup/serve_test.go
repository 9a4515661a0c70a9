package setup

import (
	"context"
	"errors"
	"testing"
)

func TestAServerThatIsReadySaysWhereItServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	close(ready)
	var said string
	p := Process{Ready: func(addresses map[string]string) error {
		said = addresses["listen"]
		cancel()
		return nil
	}}
	err := p.Serve(ctx, ready, map[string]string{"listen": "127.0.0.1:7400"}, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	if err != nil || said != "127.0.0.1:7400" {
		t.Errorf("said %q, ended with %v", said, err)
	}
}

func TestAServerThatFailsIsNeverSaidToBeReady(t *testing.T) {
	broken := errors.New("broken")
	p := Process{Ready: func(map[string]string) error {
		t.Error("it was said to be ready")
		return nil
	}}
	err := p.Serve(t.Context(), make(chan struct{}), nil, func(context.Context) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
}

func TestAReadyFileThatCannotBeWrittenEndsTheServer(t *testing.T) {
	full := errors.New("disk full")
	ready := make(chan struct{})
	close(ready)
	p := Process{Ready: func(map[string]string) error { return full }}
	err := p.Serve(t.Context(), ready, nil, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, full) {
		t.Errorf("ended with %v", err)
	}
}
