// Package executortest is what every executor must do for an agent: the
// conformance suite of agent.Executor. The one in memory (internal/fakehost) and
// the real one, over its socket, run it.
package executortest
