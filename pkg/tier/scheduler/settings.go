package scheduler

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// maxSettingsLine is how much of a command's settings is shown, in characters.
const maxSettingsLine = 1000

// settingsLine is how a command is run, in one line for a person. Of the
// environment it has the names alone, and of stdin the length: what they hold may
// be secret.
func settingsLine(c capsule.Command) string {
	var all []string
	add := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(c.RunAs != "", "as %s", quoted(c.RunAs))
	add(c.Cwd != "", "in %s", quoted(c.Cwd))
	add(len(c.Env) > 0, "env %s", namesLine(c.Env))
	add(len(c.Stdin) > 0, "stdin of %d bytes", len(c.Stdin))
	add(c.Umask != nil, "umask %s", umaskText(c.Umask))
	l := c.Limits
	add(l.OutputBytes > 0, "output %s", sizeText(l.OutputBytes))
	add(l.MemoryBytes > 0, "memory %s", sizeText(l.MemoryBytes))
	add(l.CPUMillis > 0, "CPUs %s", strconv.FormatFloat(float64(l.CPUMillis)/1000, 'f', -1, 64))
	add(l.PIDs > 0, "processes %d", l.PIDs)
	add(l.OpenFiles > 0, "open files %d", l.OpenFiles)
	for _, r := range c.Rlimits {
		add(true, "rlimit %s %s", r.Resource, rlimitText(r))
	}
	add(c.OOMScoreAdj > 0, "OOM score +%d", c.OOMScoreAdj)
	add(c.LeaveDescendants, "descendants are left")
	return clip(strings.Join(all, "; "), maxSettingsLine)
}

// How many names of an environment are shown, and how much of each.
const (
	maxNames    = 12
	maxNameText = 40
)

func namesLine(env []string) string {
	var names []string
	for _, entry := range env[:min(len(env), maxNames)] {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, quoted(clip(name, maxNameText)))
	}
	text := strings.Join(names, " ")
	if more := len(env) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func umaskText(umask *uint32) string {
	if umask == nil {
		return ""
	}
	return fmt.Sprintf("%03o", *umask)
}

func rlimitText(l task.Rlimit) string {
	switch {
	case l.Value == task.Unlimited:
		return "unlimited"
	case l.Resource == task.ResourceCPU:
		return strconv.FormatUint(l.Value, 10) + "s"
	case l.Resource == task.ResourceNProc:
		return strconv.FormatUint(l.Value, 10)
	}
	return sizeText(l.Value)
}

// sizeText is a number of bytes in its largest whole unit.
func sizeText(n uint64) string {
	unit := 0
	for units := len("KMGT"); n > 0 && n%1024 == 0 && unit < units; unit++ {
		n /= 1024
	}
	return strconv.FormatUint(n, 10) + [...]string{"", "KiB", "MiB", "GiB", "TiB"}[unit]
}
