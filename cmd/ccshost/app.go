package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/tier/executor"
)

// Exit statuses.
const (
	exitOK    = 0
	exitNotOK = 1 // not healthy, a fault, or not all was done
	exitUsage = 2 // bad flags; nothing was done
)

// app is one run of the program, with all that it finds around it.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	terminal       bool   // a person can be asked
	who            string // the person
	now            func() time.Time

	executorFile, agentFile string // flags
	executorGiven           bool
	agentGiven              bool
	output                  string

	executor executor.Config
	agent    agent.Config
	unread   []error // faults of the two files
	host     operator.Host
}

// errNotOK ends the program with exitNotOK and no more words.
var errNotOK = errors.New("not ok")

// usageError is what is wrong with what was typed.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run runs the program and returns its exit status.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNotOK):
		return exitNotOK
	case errors.As(err, &usage):
		a.say("ccshost: %v\nSee ccshost --help.\n", err)
		return exitUsage
	}
	a.say("ccshost: %v\n", err)
	return exitNotOK
}

// find reads where things are on this host, from the files that executor and
// agent read. A file with a fault is no reason to see nothing.
func (a *app) find() {
	var err error
	a.executor, err = setup.Read(setup.Program[executor.Config]{Name: "executor", Default: executor.Default()}, a.executorFile, a.executorGiven, a.environ)
	if err != nil {
		a.unread = append(a.unread, fmt.Errorf("%s: %w", a.executorFile, err))
	}
	a.agent, err = setup.Read(setup.Program[agent.Config]{Name: "agent", Default: agent.DefaultConfig()}, a.agentFile, a.agentGiven, a.environ)
	if err != nil {
		a.unread = append(a.unread, fmt.Errorf("%s: %w", a.agentFile, err))
	}
	a.host = operator.Host{StateDir: a.executor.StateDir, AgentDir: a.agent.StateDir, OperatorDir: a.agent.OperatorDir}
}

// say writes for a person; where nobody listens there is nothing to do.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return err
}

func variable(environ []string, name string) string {
	for _, entry := range environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}
