package spool

import (
	"strconv"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// Ended is the outcome that an ending means (architecture section 4). Times of
// the start, outputs and overdue are the caller's to add.
func Ended(e proc.Ending) Outcome {
	out := Outcome{Ended: e.At, Leftovers: e.Leftovers, Message: stuck(e.Stuck)}
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

// Note adds words for a person.
func (o *Outcome) Note(text string) {
	switch {
	case text == "":
	case o.Message == "":
		o.Message = text
	default:
		o.Message += "; " + text
	}
}

// NoteMemory says that the group was at its memory limit, if processes of it
// were ended for that.
func (o *Outcome) NoteMemory(g cgroup.Group, l Limits) {
	kills, err := g.OOMKills()
	if l.MemoryBytes == 0 || kills == 0 || err != nil {
		return
	}
	o.Note("it reached its memory limit of " + strconv.FormatUint(l.MemoryBytes, 10) +
		" bytes: the kernel ended processes of it, " + strconv.FormatUint(kills, 10) + " in all")
}

// Tree is what a cgroup of the attempt would hold.
func (l Limits) Tree() cgroup.Limits {
	return cgroup.Limits{Memory: l.MemoryBytes, CPU: l.CPUMillis, PIDs: l.PIDs}
}

// stuck names what could not be ended, with its state by the letter of proc(5);
// "" if nothing.
func stuck(left []proc.Stat) string {
	if len(left) == 0 {
		return ""
	}
	const named = 10
	text := "processes of the command could not be ended and live on; see to them:"
	for i, st := range left {
		if i == named {
			return text + " and " + strconv.Itoa(len(left)-named) + " more"
		}
		text += " " + strconv.Itoa(st.PID) + " (" + st.Name + ", state " + string(rune(st.State)) + ")"
	}
	return text
}
