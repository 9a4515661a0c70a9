package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestTheReasonsPageHasEveryExitStatus holds the table that pkg/core/job writes
// against the constants, which it cannot see.
func TestTheReasonsPageHasEveryExitStatus(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for status, begins := range map[int]string{
		exitOK: "all succeeded", exitSome: "the job ended and some", exitUsage: "bad flags", exitUnknown: "detached", exitDenied: "refused",
	} {
		if row := fmt.Sprintf("| %d | %s", status, begins); !strings.Contains(string(page), row) {
			t.Errorf("docs/reasons.md has no row that begins with %q: edit reasonsText in pkg/core/job and run go test ./pkg/core/job -rewrite", row)
		}
	}
}
