package spool

import (
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// Ended is the outcome that an ending means (architecture section 4). Times of
// the start, outputs and overdue are the caller's to add.
func Ended(e proc.Ending) Outcome {
	out := Outcome{Ended: e.At, Leftovers: e.Leftovers}
	out.Exit.Code, out.Exit.Signal = e.Status.Code, e.Status.Signal
	switch {
	case e.Cause == proc.ByTimeout:
		out.State, out.Exit.Reason = task.TimedOut, task.Timeout
	case e.Cause == proc.ByStop:
		out.State, out.Exit.Reason = task.Canceled, task.Killed
	case !e.Known:
		out.State, out.Exit = task.Lost, task.Exit{Reason: task.SupervisorLost}
	case e.Status.Signal != 0:
		out.State, out.Exit.Reason = task.Failed, task.Signaled
	case e.Status.Code != 0:
		out.State = task.Failed
	default:
		out.State = task.Succeeded
	}
	return out
}
