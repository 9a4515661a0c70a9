package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// older is an executor of the version before: it does not see full_spec.
type older struct {
	executorv1.UnimplementedExecutorServiceServer
	seen chan *executorv1.Spec
}

// Start implements the service.
func (o older) Start(_ context.Context, r *executorv1.StartRequest) (*executorv1.StartResponse, error) {
	r.FullSpec = nil
	o.seen <- r.GetSpec()
	_, err := wire.StartFromProto(r)
	return &executorv1.StartResponse{Acceptance: executorv1.Acceptance_ACCEPTANCE_BUSY}, wire.StatusError(err)
}

func TestAnExecutorOfTheVersionBeforeIsNamedAsTheReason(t *testing.T) {
	executor := older{seen: make(chan *executorv1.Spec, 1)}
	socket := behind(t, executor)
	o := wire.StartOrder{Attempt: 1, Spec: spool.Spec{ID: "a", RememberUntil: time.Now(), Run: spool.Run{Argv: []string{"true"}}}}
	if _, err := socket.Start(t.Context(), o); err != nil || len((<-executor.seen).GetArgv()) != 1 {
		t.Errorf("a command without settings: %v", err)
	}
	o.Spec.Run.Limits.MemoryBytes = 1 << 30
	_, err := socket.Start(t.Context(), o)
	if !errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), "knows no limits and settings of a command: upgrade it") {
		t.Errorf("a command with a limit: %v", err)
	}
	if spec := <-executor.seen; spec != nil {
		t.Errorf("it would have run %v without its limit", spec)
	}
	o.Spec.ID = "Not/An/Id"
	o.Spec.Run.Limits = spool.Limits{}
	if _, err := socket.Start(t.Context(), o); !errors.Is(err, wire.ErrInvalid) || strings.Contains(err.Error(), "upgrade") {
		t.Errorf("another fault: %v", err)
	}
}
