package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What says which hosts are meant, how far a job goes or what stops it must not be
// empty: an unset variable in a script would take it away in silence, and the job
// would run on more hosts than was meant.

// givenText is a flag that is not empty once it is given.
type givenText struct{ of *string }

// Set takes it.
func (t givenText) Set(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("it is empty: give a value, or leave the flag out")
	}
	*t.of = value
	return nil
}

// String is the value.
func (t givenText) String() string {
	if t.of == nil {
		return ""
	}
	return *t.of
}

// Type is not shown: the flag names its value.
func (t givenText) Type() string { return "string" }

// givenList is a flag of names that are separated by commas, none of them empty; it
// may be repeated.
type givenList struct{ of *[]string }

// Set takes some.
func (l givenList) Set(value string) error {
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "" && strings.TrimSpace(value) == "":
			return errors.New("it is empty: give names, or leave the flag out")
		case name == "":
			return errors.New("one of the names is empty: take out the comma, or give the name")
		}
		names = append(names, name)
	}
	*l.of = append(*l.of, names...)
	return nil
}

// String is the names.
func (l givenList) String() string {
	if l.of == nil {
		return ""
	}
	return strings.Join(*l.of, ",")
}

// Type lets cobra complete it more than once.
func (l givenList) Type() string { return "stringSlice" }

func textVar(f *pflag.FlagSet, of *string, name, short, usage string) {
	f.VarP(givenText{of}, name, short, usage)
}

func listVar(f *pflag.FlagSet, of *[]string, name, usage string) { f.Var(givenList{of}, name, usage) }

// notEmpty refuses arguments without text, as of a variable that is not set.
func notEmpty(cmd *cobra.Command, args []string) error {
	for i, arg := range args {
		if strings.TrimSpace(arg) == "" {
			return fmt.Errorf("argument %d of %s is empty", i+1, verbOf(cmd))
		}
	}
	return nil
}

// verbOf is a command as one types it behind the program.
func verbOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}
