package job

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/task"
)

const reasonsPage = "../../../docs/reasons.md"

// TestTheReasonsPageIsCurrent generates docs/reasons.md from the codes and
// compares. `go test ./pkg/core/job -rewrite` writes it.
func TestTheReasonsPageIsCurrent(t *testing.T) {
	want := reasonsText()
	if *rewrite {
		if err := os.WriteFile(reasonsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reasonsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reasons.md is not what the codes say; run `go test ./pkg/core/job -rewrite` and read the difference")
	}
}

func TestEveryCodeHasARowThatSaysWhatToDo(t *testing.T) {
	for _, r := range task.Reasons() {
		a := reasonAdvice[r]
		if a.happened == "" || a.now == "" {
			t.Errorf("reason %s has no row in reasonAdvice (advice_test.go): say what happened and what to do now", r)
		}
	}
	for _, c := range CauseCodes() {
		if causeAdvice[c] == "" {
			t.Errorf("cause %s has no row in causeAdvice (advice_test.go): say what to do now", c)
		}
	}
	for _, s := range task.States() {
		if s.Settled() && !explained(s) && bareAdvice[s].now == "" {
			t.Errorf("state %s has no reason and no row in bareAdvice (advice_test.go)", s)
		}
	}
}

// explained: some reason goes with the state.
func explained(s task.State) bool {
	for _, r := range task.Reasons() {
		if r.Of() == s {
			return true
		}
	}
	return false
}

func reasonsText() string {
	var b strings.Builder
	b.WriteString(`# Reasons: why it ended so, and why it has not ended yet

For operators and users. Generated from pkg/core/task and pkg/core/job by ` + "`go test ./pkg/core/job -rewrite`" + `; do not edit.
What the states mean and who may say so is in [states.md](states.md).

## Why it ended so

` + "`ccsctl task list JOB -o wide`" + ` shows state and reason of every task, and ` + "`ccsctl explain JOB HOST`" + ` says them in a sentence.
The last two columns say what the host did and what you can do. "Run it again" means: give the job again as a new one; an
outcome is never changed by that.

| state | reason | what happened | what to do now |
| --- | --- | --- | --- |
`)
	for _, s := range task.States() {
		if a, ok := bareAdvice[s]; ok {
			fmt.Fprintf(&b, "| `%s` | | %s | %s |\n", s, a.happened, a.now)
		}
		for _, r := range task.Reasons() {
			if r.Of() == s {
				fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s, r, reasonAdvice[r].happened, reasonAdvice[r].now)
			}
		}
	}
	b.WriteString(`
## Why it has not ended yet

` + "`ccsctl explain JOB HOST`" + ` gives these codes, the nearest cause first.

| code | it means | what to do now |
| --- | --- | --- |
`)
	for _, c := range CauseCodes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c, c.Means(), causeAdvice[c])
	}
	b.WriteString(`
## Exit statuses of ccsctl

A ` + "`run`" + ` on a single host ends with the exit status of its command, and with 128 + N where signal N ended it. Otherwise:

| status | means |
| --- | --- |
| 0 | all succeeded |
| 1 | the job ended and some target did not succeed; of ` + "`output`" + `: something is missing or did not verify; of any: stdout could not be written |
| 2 | bad flags, bad configuration, not confirmed, or a request that cannot be |
| 3 | detached, or the servers could not be reached: the outcome is not known |
| 4 | refused: not authenticated, or not allowed |
`)
	return b.String()
}
