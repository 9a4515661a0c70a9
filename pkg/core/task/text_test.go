package task

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wireEnums reads the names and numbers of the two enums out of the wire
// contract, which this package must not import.
func wireEnums(t *testing.T) (states, reasons map[int]string) {
	t.Helper()
	text, err := os.ReadFile("../../../api/proto/ccs/types/v1/types.proto")
	if err != nil {
		t.Fatal(err)
	}
	states, reasons = map[int]string{}, map[int]string{}
	value := regexp.MustCompile(`(?m)^\s+(TASK_STATE|REASON)_([A-Z_]+) = (\d+);`)
	for _, m := range value.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[3])
		if err != nil {
			t.Fatal(err)
		}
		if m[1] == "REASON" {
			reasons[n] = m[2]
		} else {
			states[n] = m[2]
		}
	}
	return states, reasons
}

func TestStatesAreNamedAndNumberedAsOnTheWire(t *testing.T) {
	wire, _ := wireEnums(t)
	for n, name := range wire {
		if got := State(n).String(); got != name {
			t.Errorf("state %d is %q here and %q on the wire", n, got, name)
		}
	}
	if got, want := len(States())+1, len(wire); got != want {
		t.Errorf("%d states here with UNSPECIFIED, %d on the wire", got, want)
	}
}

func TestReasonsAreNamedAndNumberedAsOnTheWire(t *testing.T) {
	_, wire := wireEnums(t)
	for n, name := range wire {
		want := strings.ToLower(name)
		if n == 0 {
			want = ""
		}
		if got := Reason(n).String(); got != want {
			t.Errorf("reason %d is %q here and %q on the wire", n, got, want)
		}
	}
	if got, want := len(Reasons())+1, len(wire); got != want {
		t.Errorf("%d reasons here with NoReason, %d on the wire", got, want)
	}
}

func TestTextsAreThoseOfTheDesign(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Succeeded.String(), "SUCCEEDED"},
		{StartFailed.String(), "START_FAILED"},
		{TimedOut.String(), "TIMED_OUT"},
		{Canceled.String(), "CANCELED"},
		{Unspecified.String(), "UNSPECIFIED"},
		{State(577).String(), "STATE_577"},
		{StartByPassed.String(), "start_by_passed"},
		{SupervisorLost.String(), "supervisor_lost"},
		{StillRunning.String(), "still_running"},
		{NoReason.String(), ""},
		{Reason(9999).String(), "reason_9999"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestEveryStateAndReasonSurvivesItsText(t *testing.T) {
	for _, s := range States() {
		if got, ok := ParseState(s.String()); !ok || got != s {
			t.Errorf("ParseState(%q) = %v, %v", s.String(), got, ok)
		}
	}
	for _, r := range append(Reasons(), NoReason) {
		if got, ok := ParseReason(r.String()); !ok || got != r {
			t.Errorf("ParseReason(%q) = %v, %v", r.String(), got, ok)
		}
	}
}

func TestTextThatNamesNothingIsRefused(t *testing.T) {
	for _, text := range []string{"", "UNSPECIFIED", "succeeded", "SUCCEEDED ", "STATE_577", "CANCELLED"} {
		if got, ok := ParseState(text); ok || got != Unspecified {
			t.Errorf("ParseState(%q) = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"SILENT", "no_reason", "reason_9999", " "} {
		if got, ok := ParseReason(text); ok || got != NoReason {
			t.Errorf("ParseReason(%q) = %v, %v", text, got, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if s, ok := ParseState(text); ok && s.String() != text {
			t.Fatalf("%q was taken for %v", text, s)
		}
		if r, ok := ParseReason(text); ok && r.String() != text {
			t.Fatalf("%q was taken for %v", text, r)
		}
	})
}

func TestTablesAreAscendingAndExplained(t *testing.T) {
	if !slices.IsSorted(States()) || !slices.IsSorted(Reasons()) {
		t.Error("a table is not ascending by number")
	}
	for _, s := range States() {
		if s.Means() == "" {
			t.Errorf("%v has no explanation", s)
		}
		if s%64 != 0 {
			t.Errorf("%v is not a multiple of 64", s)
		}
	}
	for _, r := range Reasons() {
		if r.Means() == "" || !r.Of().Settled() {
			t.Errorf("%v has no explanation or explains %v, which is not settled", r, r.Of())
		}
	}
	if Unspecified.Means() != "" || NoReason.Means() != "" || NoReason.Of() != Unspecified {
		t.Error("what is not set has a meaning")
	}
}

func TestEveryOutcomeThatNeedsAReasonHasOne(t *testing.T) {
	for _, s := range States() {
		has := slices.ContainsFunc(Reasons(), func(r Reason) bool { return r.Of() == s })
		if needs := s.Settled() && s != Succeeded; has != needs {
			t.Errorf("%v: has reasons %v, needs reasons %v", s, has, needs)
		}
	}
}

func TestAListOfStatesIsTheCallersOwn(t *testing.T) {
	States()[0], Reasons()[0] = Succeeded, Signaled
	if States()[0] != Pending || Reasons()[0] != Silent {
		t.Error("a caller could change the table")
	}
}
