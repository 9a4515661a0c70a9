package capsule

import (
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func (c Command) validate(f *faults) {
	c.validateKind(f)
	c.validateTexts(f)
	f.atMost("length of script", uint64(len(c.Script)), MaxScript)
	f.atMost("length of stdin", uint64(len(c.Stdin)), MaxStdin)
	f.atMost("length of cwd", uint64(len(c.Cwd)), maxPath)
	if c.Cwd != "" && !strings.HasPrefix(c.Cwd, "/") {
		f.addf("cwd %q is not absolute", c.Cwd)
	}
	f.atMost("length of run-as", uint64(len(c.RunAs)), maxName)
	f.atMost("output limit", c.Limits.OutputBytes, MaxOutputLimit)
	c.validateSettings(f)
	duration(f, "timeout", c.Timeout, MaxTimeout)
	duration(f, "grace", c.Grace, MaxGrace)
	if c.TimeoutAction != TimeoutKill && c.TimeoutAction != TimeoutReport {
		f.addf("timeout action %d is neither kill nor report", c.TimeoutAction)
	}
	switch c.Recovery {
	case RecoveryReport:
		if c.MaxAttempts != 1 {
			f.addf("recovery is report, so max-attempts must be 1, not %d", c.MaxAttempts)
		}
	case RecoveryRerun:
		if c.MaxAttempts < 2 || c.MaxAttempts > MaxAttempts {
			f.addf("recovery is rerun, so max-attempts must be 2 to %d, not %d", MaxAttempts, c.MaxAttempts)
		}
	default:
		f.addf("recovery %d is neither report nor rerun", c.Recovery)
	}
}

// validateKind checks that exactly the fields of the kind are set.
func (c Command) validateKind(f *faults) {
	hasArgv, hasScript := len(c.Argv) > 0, len(c.Interpreter) > 0 || len(c.Script) > 0
	switch c.Kind {
	case Ping:
		if hasArgv || hasScript || len(c.Env)+len(c.Cwd)+len(c.Stdin)+len(c.RunAs) > 0 || c.Limits != (Limits{}) {
			f.addf("a ping has no argv, script, env, cwd, stdin, run-as or limits")
		}
		if len(c.extensions()) > 0 {
			f.addf("a ping has no umask, rlimits, oom-score-adj or leave-descendants")
		}
		if c.Recovery == RecoveryRerun {
			f.addf("a ping is not rerun")
		}
	case Argv:
		if !hasArgv || c.Argv[0] == "" {
			f.addf("argv names no program")
		}
		if hasScript {
			f.addf("a command of kind argv has no script and no interpreter")
		}
	case Script:
		if len(c.Interpreter) == 0 || c.Interpreter[0] == "" {
			f.addf("interpreter names no program")
		}
		if len(c.Script) == 0 {
			f.addf("script is empty")
		}
		if hasArgv {
			f.addf("a command of kind script has no argv; arguments go with the interpreter")
		}
	default:
		f.addf("command kind %d is none of ping, argv, script", c.Kind)
	}
}

func (c Command) validateTexts(f *faults) {
	size, names := 0, make(map[string]bool, len(c.Env))
	for _, list := range []struct {
		what  string
		texts []string
	}{{"argv", c.Argv}, {"interpreter", c.Interpreter}, {"env", c.Env}} {
		for _, s := range list.texts {
			size += len(s) + 1
			f.text(list.what, s)
		}
	}
	for _, s := range c.Env {
		name, _, ok := strings.Cut(s, "=")
		switch {
		case !ok || name == "": // the value may be a secret: it is never shown
			f.addf("env has an entry that is not NAME=value")
		case names[name]:
			f.addf("env sets %s twice", name)
		}
		names[name] = true
	}
	f.atMost("length of argv, interpreter and env", uint64(size), MaxArguments)
	f.text("cwd", c.Cwd)
	f.text("run-as", c.RunAs)
}

// validateSettings checks what version 2 has added.
func (c Command) validateSettings(f *faults) {
	if c.Umask != nil && *c.Umask > task.MaxUmask {
		f.addf("umask is %#o, at most %#o is allowed", *c.Umask, task.MaxUmask)
	}
	if fault := task.RlimitFault(c.Rlimits); fault != "" {
		f.addf("%s", fault)
	}
	f.atMost("oom-score-adj", uint64(c.OOMScoreAdj), task.MaxOOMScoreAdj)
}

func duration(f *faults, what string, d, limit time.Duration) {
	if d < 0 || d > limit {
		f.addf("%s is %v, 0 to %v is allowed", what, d, limit)
	}
}
