package fakehost_test

import (
	"testing"

	"github.com/ccs-project/ccs/internal/fakehost"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/tier/agent/executortest"
)

func TestAHostInMemoryIsAnExecutor(t *testing.T) {
	executortest.Run(t, func(*testing.T) agent.Executor { return fakehost.New(nil) })
}
