package task

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/states.md from the Go tables")

const statesPage = "../../../docs/states.md"

// TestTheStatesPageIsCurrent generates docs/states.md from the tables and
// compares. `go test ./pkg/core/task -rewrite` writes it.
func TestTheStatesPageIsCurrent(t *testing.T) {
	want := page()
	if *rewrite {
		if err := os.WriteFile(statesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/states.md is not what the tables say; run `go test ./pkg/core/task -rewrite` and read the difference")
	}
}

func TestTheStatesPageNamesEverything(t *testing.T) {
	text := page()
	for _, s := range States() {
		if !strings.Contains(text, "`"+s.String()+"`") {
			t.Errorf("the page does not explain %v", s)
		}
	}
	for _, r := range Reasons() {
		if !strings.Contains(text, "`"+r.String()+"`") {
			t.Errorf("the page does not explain %v", r)
		}
	}
}

func page() string {
	var b strings.Builder
	b.WriteString(`# States of a task

Generated from the tables in pkg/core/task by ` + "`go test ./pkg/core/task -rewrite`" + `; do not edit.

A task is a job's command on one host. States are a logical clock: of two reports of one attempt the greater is
right, and a greater attempt outranks every state of the one before. So reports may be lost, repeated, delayed and
reordered; what is known only grows (` + "`task.Join`" + `).

`)
	diagram(&b)
	outcomes(&b)
	reasons(&b)
	edges(&b)
	policy(&b)
	return b.String()
}

func diagram(b *strings.Builder) {
	b.WriteString("## The picture\n\nOutcomes stand on the arrows that lead out. `LOST` leads to a new attempt only under recovery `rerun`, and only if it is\n" +
		"the host's own word (`rebooted`, `supervisor_lost`). After `UNKNOWN` every outcome that is heard late replaces it.\n\n" +
		"`EXPIRED`, `REFUSED`, `START_FAILED` and `CANCELED` before the start say that their attempt was not started. Of attempt k > 1 they are\n" +
		"never the outcome of the task: attempt k-1 may have run, so the task is `LOST` with the reason of attempt k-1 (`forgotten` if that\n" +
		"went with a restored store).\n\n" +
		"What the scheduler concludes by itself is corrected by its host. A host that ran what was said to be `EXPIRED` or `SKIPPED` is right, and while it\n" +
		"runs there it is `UNKNOWN` (a restored store has lost its release), or `LOST` by `state_wiped` if that state directory is gone;\n" +
		"if it did not start it either, but for another reason, that is a conflict. `TIMED_OUT`, `FAILED` and `SUCCEEDED` replace\n" +
		"`LOST` by `state_wiped` and `forgotten`.\n\n```mermaid\nstateDiagram-v2\n")
	for _, from := range append([]State{Unspecified}, States()...) {
		for _, by := range []Actor{Scheduler, Agent, Executor, EndProcess} {
			arrows(b, by, from)
		}
	}
	fmt.Fprintf(b, "    %s --> [*]: a late outcome of the host\n", Unknown)
	fmt.Fprintf(b, "    [*] --> %s: LOST, run again as the next attempt\n```\n\n", Dispatched)
}

// arrows draws what one actor may do in one state: an arrow for each state
// that is not final, and one out of the picture with all outcomes.
func arrows(b *strings.Builder, by Actor, from State) {
	var final []string
	for e := range Transitions() {
		switch {
		case e.By != by || e.From != from:
		case e.To.Final():
			final = append(final, e.To.String())
		case from == Unspecified:
			fmt.Fprintf(b, "    [*] --> %s: %s\n", e.To, by)
		default:
			fmt.Fprintf(b, "    %s --> %s: %s\n", from, e.To, by)
		}
	}
	if len(final) > 0 {
		// No second colon: mermaid's labels end there.
		fmt.Fprintf(b, "    %s --> [*]: %s by %s\n", from, strings.Join(final, ", "), by)
	}
}

func outcomes(b *strings.Builder) {
	b.WriteString("## States\n\n| state | means | number | settled | final | counts as bad | who may say so |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range States() {
		var who []string
		for _, by := range []Actor{Scheduler, Agent, Executor, EndProcess} {
			for e := range Transitions() {
				if e.To == s && e.By == by {
					who = append(who, by.String())
					break
				}
			}
		}
		fmt.Fprintf(b, "| `%s` | %s | %d | %s | %s | %s | %s |\n", s, s.Means(), s, yes(s.Settled()), yes(s.Final()), yes(s.Bad()), strings.Join(who, ", "))
	}
	b.WriteString("\n")
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return ""
}

func reasons(b *strings.Builder) {
	b.WriteString("## Reasons\n\n| state | reason | means | number |\n| --- | --- | --- | --- |\n")
	for _, s := range States() {
		for _, r := range Reasons() {
			if r.Of() == s {
				fmt.Fprintf(b, "| `%s` | `%s` | %s | %d |\n", s, r, r.Means(), r)
			}
		}
	}
	b.WriteString("\n")
}

func edges(b *strings.Builder) {
	b.WriteString("## Who may do what, and when\n\nWithin one attempt. What a peer reports is not a transition: it is joined.\n\n| who | from | to | when |\n| --- | --- | --- | --- |\n")
	for e := range Transitions() {
		from := "`" + e.From.String() + "`"
		if e.From == Unspecified {
			from = "(nothing)"
		}
		fmt.Fprintf(b, "| %s | %s | `%s` | %s |\n", e.By, from, e.To, e.When)
	}
	b.WriteString("\n")
}

func policy(b *strings.Builder) {
	b.WriteString("## What a host does next\n\nThe host's whole policy: what it has seen against what is wanted.\n\n| seen | wish run | wish withdraw | wish stop | wish gone |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range States() {
		fmt.Fprintf(b, "| `%s` |", s)
		for _, want := range wishes {
			fmt.Fprintf(b, " %s |", Next(Report{Attempt: 1, State: s}, want))
		}
		b.WriteString("\n")
	}
}
