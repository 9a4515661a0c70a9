package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// Bounds of what the flags take.
const (
	maxUmask       = 0o777
	maxOOMScoreAdj = 1000
)

// unlimited lifts an rlimit.
const unlimited = "unlimited"

// limitFlags say how carefully a command is run.
type limitFlags struct {
	memory, cpu, pids, openFiles string
	umask, oomScoreAdj           string
	rlimits                      []string
	leave                        bool
}

func (c *limitFlags) add(f *pflag.FlagSet) {
	textVar(f, &c.memory, "limit-memory", "", "`SIZE` of memory for the command and all that it starts, such as 512MiB (default none)")
	textVar(f, &c.cpu, "limit-cpu", "", "`CPUS` for all of it, such as 0.5 or 2; only where hosts have cgroups (default none)")
	textVar(f, &c.pids, "limit-pids", "", "`N` processes and threads for all of it (default none)")
	textVar(f, &c.openFiles, "limit-open-files", "", "`N` descriptors for each process (default that of the executor)")
	f.StringArrayVar(&c.rlimits, "rlimit", nil, "`NAME=VALUE`, a limit of each process, soft and hard; names are "+strings.Join(client.Resources(), ", ")+"; the value a number, a size such as 64MiB, or unlimited; may be repeated")
	textVar(f, &c.umask, "umask", "", "`MODE` bits that new files do not get, in octal, such as 027 (default 022)")
	textVar(f, &c.oomScoreAdj, "oom-score-adj", "", "`N`, 1 to 1000: how much sooner the kernel kills it when memory ends (default 0)")
	f.BoolVar(&c.leave, "leave-descendants", false, "let processes that outlive the command go on, instead of killing them; a timeout and a cancel end them all the same")
}

func (c *limitFlags) complete(cmd *cobra.Command) {
	for _, free := range []string{"limit-memory", "limit-cpu", "limit-pids", "limit-open-files", "umask", "oom-score-adj"} {
		complete(cmd, free, nothing)
	}
	var names []string
	for _, name := range client.Resources() {
		names = append(names, name+"=")
	}
	complete(cmd, "rlimit", fixed(names...))
}

func (c *limitFlags) fill(to *client.Command) (err error) {
	to.LeaveDescendants = c.leave
	if c.memory != "" {
		var ok bool
		if to.Limits.MemoryBytes, ok = bytesOf(c.memory); !ok || to.Limits.MemoryBytes == 0 {
			return usagef("--limit-memory %q: give a number of bytes such as 536870912, 512MiB or 2GiB", c.memory)
		}
	}
	if to.Limits.CPUMillis, err = cpus(c.cpu); err != nil {
		return err
	}
	if to.Limits.PIDs, err = countOf("limit-pids", c.pids, math.MaxUint32); err != nil {
		return err
	}
	if to.Limits.OpenFiles, err = countOf("limit-open-files", c.openFiles, math.MaxUint32); err != nil {
		return err
	}
	score, err := countOf("oom-score-adj", c.oomScoreAdj, maxOOMScoreAdj)
	if err != nil {
		return err
	}
	to.OOMScoreAdj = int(score)
	if c.umask != "" {
		n, err := strconv.ParseUint(c.umask, 8, 32)
		if err != nil || n > maxUmask {
			return usagef("--umask %q: give 0 to 777 in octal, such as 027", c.umask)
		}
		umask := uint32(n)
		to.Umask = &umask
	}
	to.Rlimits, err = rlimits(c.rlimits)
	return err
}

// countOf reads a number from 1; 0 of an empty text.
func countOf(flag, text string, most uint64) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || n > most {
		return 0, usagef("--%s %q: give a number from 1 to %d", flag, text, most)
	}
	return uint32(n), nil
}

// cpus reads CPUs with at most three decimals, as thousandths; 0 of an empty text.
func cpus(text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseUint(whole+(fraction + "000")[:max(3, len(fraction))], 10, 32)
	if err != nil || n == 0 || whole == "" || len(fraction) > 3 {
		return 0, usagef("--limit-cpu %q: give a number of CPUs such as 0.5 or 2, with at most three decimals", text)
	}
	return uint32(n), nil
}

// rlimits reads NAME=VALUE; nil of none.
func rlimits(texts []string) (map[string]uint64, error) {
	var all map[string]uint64
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		n, ok := bytesOf(value)
		if value == unlimited {
			n, ok = client.Unlimited, true
		}
		_, twice := all[name]
		switch {
		case name == "nofile":
			return nil, usagef("--rlimit nofile: give --limit-open-files N")
		case !slices.Contains(client.Resources(), name):
			return nil, usagef("--rlimit %q: there is no limit %q: give some of %s", text, name, strings.Join(client.Resources(), ", "))
		case !ok:
			return nil, usagef("--rlimit %q: give %s=N, a size such as %s=64MiB, or %s=unlimited", text, name, name, name)
		case twice:
			return nil, usagef("--rlimit %s is given twice", name)
		case all == nil:
			all = map[string]uint64{}
		}
		all[name] = n
	}
	return all, nil
}
