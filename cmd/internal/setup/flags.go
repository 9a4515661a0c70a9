package setup

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// options is what the flags say.
type options struct {
	file        string // configuration file
	given       bool   // file was named: it must exist
	printConfig bool
	done        bool // help or version was asked for, and given
}

// extra is flags that are no configuration.
type extra struct {
	add   func(*pflag.FlagSet) // nil: there are none
	needs []string             // those that must be given
}

func parseFlags(name, verb, short string, more extra, s surroundings) (options, error) {
	var o options
	var version bool
	standard := filepath.Join(s.etc, name+".yaml")
	flags := pflag.NewFlagSet("ccs-"+name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.file, "config", standard, "read the configuration from `FILE` (YAML)")
	flags.BoolVar(&o.printConfig, "print-config", false, "print the configuration in force, secrets masked, and exit")
	flags.BoolVar(&version, "version", false, "print the version and exit")
	if more.add != nil {
		more.add(flags)
	}
	flags.Usage = func() {
		say(s.stdout, "%s\n\nUsage: %s [flags]\n\n%s\nEvery key of the configuration can be set in the environment: log.level is %sLOG_LEVEL.\n",
			short, typed(name, verb), flags.FlagUsages(), envPrefix(name))
	}
	err := flags.Parse(s.args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return options{done: true}, nil
	case err != nil:
		return options{}, err
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("unexpected argument %q: there are only flags", flags.Arg(0))
	case version:
		say(s.stdout, "ccs-%s %s\n", name, Version())
		return options{done: true}, nil
	}
	o.given = flags.Changed("config")
	if o.printConfig { // which does nothing else
		return o, nil
	}
	for _, needed := range more.needs {
		if !flags.Changed(needed) {
			return options{}, fmt.Errorf("--%s is missing", needed)
		}
	}
	return o, nil
}

// typed is what a person types to have a program, or a verb of it.
func typed(name, verb string) string { return strings.TrimSpace("ccs-" + name + " " + verb) }

// envPrefix begins the names of a program's environment variables.
func envPrefix(name string) string {
	return "CCS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
}
