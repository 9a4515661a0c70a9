package wire

import (
	"errors"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func specToProto(o StartOrder) *executorv1.Spec {
	run := o.Spec.Run
	spec := &executorv1.Spec{
		Argv: run.Argv, Interpreter: run.Interpreter, Script: o.Script, Env: run.Env, Cwd: run.Dir,
		Stdin: o.Stdin, RunAs: run.Account, OutputLimit: run.Keep,
		Timeout: DurationToProto(run.Timeout), Grace: DurationToProto(run.Grace), TimeoutReportOnly: run.ReportOnly,
		MemoryBytes: run.Limits.MemoryBytes, CpuMillis: run.Limits.CPUMillis, Pids: run.Limits.PIDs, OpenFiles: run.Limits.OpenFiles,
		Umask: run.Umask, OomScoreAdj: uint32(run.OOMScoreAdj), LeaveDescendants: run.LeaveDescendants,
	}
	for _, l := range run.Rlimits {
		spec.Rlimits = append(spec.Rlimits, &executorv1.Rlimit{Resource: executorv1.Resource(l.Resource), Value: l.Value})
	}
	return spec
}

// runFromProto reads what to run. A number that does not fit becomes one that
// spool.Spec.Check refuses.
func runFromProto(s *executorv1.Spec) spool.Run {
	run := spool.Run{
		Argv: s.GetArgv(), Interpreter: s.GetInterpreter(), Env: s.GetEnv(), Dir: s.GetCwd(),
		Account: s.GetRunAs(), Keep: s.GetOutputLimit(),
		Timeout: DurationFromProto(s.GetTimeout()), Grace: DurationFromProto(s.GetGrace()), ReportOnly: s.GetTimeoutReportOnly(),
		Limits:      spool.Limits{MemoryBytes: s.GetMemoryBytes(), CPUMillis: s.GetCpuMillis(), PIDs: s.GetPids(), OpenFiles: s.GetOpenFiles()},
		OOMScoreAdj: uint16(min(s.GetOomScoreAdj(), task.MaxOOMScoreAdj+1)), LeaveDescendants: s.GetLeaveDescendants(),
	}
	if s != nil {
		run.Umask = s.Umask
	}
	for _, l := range s.GetRlimits() {
		run.Rlimits = append(run.Rlimits, task.Rlimit{Resource: resourceFromProto(l.GetResource()), Value: l.GetValue()})
	}
	return run
}

func resourceFromProto(r executorv1.Resource) task.Resource {
	for _, known := range task.Resources() {
		if executorv1.Resource(known) == r {
			return known
		}
	}
	return 0
}

// specForm says what is wrong with the way in which what to run is given.
func specForm(r *executorv1.StartRequest) error {
	full := r.GetFullSpec()
	if full == nil {
		return nil
	}
	if r.GetSpec() != nil {
		return errors.New("there are both spec and full_spec")
	}
	unknown := len(full.ProtoReflect().GetUnknown()) > 0
	for _, l := range full.GetRlimits() {
		unknown = unknown || len(l.ProtoReflect().GetUnknown()) > 0
	}
	if unknown {
		return errors.New("full_spec has fields that this executor does not know: upgrade it, then run the command again")
	}
	return nil
}
