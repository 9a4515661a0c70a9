package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestThePageTypesWhatCanBeTyped takes every line that docs/host-operator.md
// types, and looks that there are such verbs and flags; and that no verb is left
// out.
func TestThePageTypesWhatCanBeTyped(t *testing.T) {
	text, err := os.ReadFile("../../docs/host-operator.md")
	must(t, err)
	a := &app{stdout: io.Discard, stderr: io.Discard}
	root := a.rootCommand()
	var typed []string
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "$ ccshost ")
		if !ok {
			continue
		}
		cmd, args, err := root.Find(words(strings.TrimSpace(rest)))
		if err != nil || cmd == root {
			t.Errorf("%q: there is no such verb", line)
			continue
		}
		typed = append(typed, cmd.Name())
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	for _, cmd := range root.Commands() {
		if !slices.Contains(typed, cmd.Name()) && !strings.Contains(string(text), "`ccshost "+cmd.Name()+"`") {
			t.Errorf("the page does not tell of %s", cmd.Name())
		}
	}
}

// words splits a line as a shell does that knows only double quotes.
func words(line string) (all []string) {
	for i, piece := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, piece)
			continue
		}
		all = append(all, strings.Fields(piece)...)
	}
	return all
}
