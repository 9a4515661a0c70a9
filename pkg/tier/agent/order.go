package agent

import (
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// orderOf assembles what the executor is asked to start. It runs the signed
// bytes and nothing else; the slot group is the signed class.
func orderOf(p capsule.Payload, attempt uint32, t ticket) wire.StartOrder {
	c := p.Command
	return wire.StartOrder{
		Attempt: attempt, Script: c.Script, Stdin: c.Stdin,
		Spec: spool.Spec{
			ID: p.JobID.String(), SlotGroup: p.Class,
			StartBy: p.StartBy(attempt), RememberUntil: p.E(), Context: t.encode(),
			Run: spool.Run{
				Argv: c.Argv, Interpreter: c.Interpreter, Env: c.Env, Dir: c.Cwd, Account: c.RunAs, Keep: c.Limits.OutputBytes,
				Timeout: c.Timeout, Grace: c.Grace, ReportOnly: c.TimeoutAction == capsule.TimeoutReport,
				Limits: spool.Limits{MemoryBytes: c.Limits.MemoryBytes, CPUMillis: c.Limits.CPUMillis, PIDs: c.Limits.PIDs, OpenFiles: c.Limits.OpenFiles},
				Umask:  c.Umask, Rlimits: c.Rlimits, OOMScoreAdj: c.OOMScoreAdj, LeaveDescendants: c.LeaveDescendants,
			},
		},
	}
}

// expired is the refusal of an attempt whose start-by has passed.
func expired(attempt uint32) task.Report {
	return task.Report{Attempt: attempt, State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}}
}
