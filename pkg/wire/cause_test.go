package wire

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestACauseComesBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		c := job.Cause{
			Code:  rapid.SampledFrom(job.CauseCodes()).Draw(t, "code"),
			Since: drawTime(t, "since"), Until: drawTime(t, "until"),
		}
		got, text := CauseFromProto(sent(t, CauseToProto(c)))
		comesBack(t, got, nil, c)
		if text != causeText(c) {
			t.Fatalf("sent was %q, read was %q", causeText(c), text)
		}
	})
}

func TestEveryCodeIsOnTheWireByItsName(t *testing.T) {
	for _, c := range job.CauseCodes() {
		if got, want := typesv1.CauseCode(c).String(), "CAUSE_CODE_"+strings.ToUpper(c.String()); got != want {
			t.Errorf("%s is %s on the wire", c, got)
		}
	}
}

func TestACodeOfALaterVersionKeepsItsNumber(t *testing.T) {
	for n, want := range map[int32]string{99: "cause_99", 0: "", -1: "", 256 + 3: "", 17: "cause_17"} {
		if got, _ := CauseFromProto(&typesv1.Cause{Code: typesv1.CauseCode(n)}); got.Code.String() != want {
			t.Errorf("%d is read as %q, want %q", n, got.Code, want)
		}
	}
	if got, text := CauseFromProto(nil); got != (job.Cause{}) || text != "" {
		t.Errorf("nothing is read as %+v, %q", got, text)
	}
}

// Whatever a cause holds, its sentence is one that can travel and be read.
func TestEveryCauseHasASentence(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		c := job.Cause{
			Code:  rapid.SampledFrom(job.CauseCodes()).Draw(t, "code"),
			Since: drawTime(t, "since"), Until: drawTime(t, "until"),
			Then: rapid.SampledFrom([]task.State{0, task.Unknown, task.Expired, task.Skipped}).Draw(t, "then"),
			Seen: drawReport(t), Concluded: rapid.Bool().Draw(t, "concluded"), TakenOver: rapid.Bool().Draw(t, "taken over"),
			Limit: 5, InFlight: 5, Ahead: rapid.IntRange(0, 3).Draw(t, "ahead"), Free: rapid.IntRange(0, 3).Draw(t, "free"),
			Want:    rapid.SampledFrom([]task.Desired{0, task.DesiredRun, task.DesiredWithdraw, task.DesiredStop}).Draw(t, "want"),
			Timeout: drawDuration(t, "timeout"), OnlyReports: rapid.Bool().Draw(t, "reports"),
			Why: rapid.StringN(0, 1024, 1024).Draw(t, "why"),
			Via: fleet.Via(rapid.StringN(0, 80, 300).Draw(t, "via")),
		}
		text := CauseToProto(c).GetText()
		if len(text) > MaxMessageText || !strings.HasSuffix(text, ".") || strings.Contains(text, "%!") || strings.Contains(text, "0001-01-01") {
			t.Fatalf("%+v says %q", c, text)
		}
		if at := c.Since; !at.IsZero() && at.Year() > 1 && c.Code != job.CauseQuarantined && c.Code != job.CauseOrder && c.Code != job.CauseNotBefore && !strings.Contains(text, utc(at)) {
			t.Fatalf("it does not say since when: %q", text)
		}
	})
}

func TestAChainSaysOnceHowItEnds(t *testing.T) {
	end := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	chain := CausesToProto([]job.Cause{
		{Code: job.CauseNotBefore, Until: end.Add(-time.Minute)},
		{Code: job.CauseConcurrency, Until: end, Then: task.Expired},
		{Code: job.CauseHostAway, Until: end, Then: task.Expired},
	})
	for i, want := range []bool{false, true, false} {
		if got := strings.Contains(chain[i].GetText(), "EXPIRED"); got != want {
			t.Errorf("cause %d says %q", i, chain[i].GetText())
		}
	}
	if !TimeFromProto(chain[2].GetUntil()).Equal(end) {
		t.Errorf("to programs all say it: %v", chain[2])
	}
}

// The sentences are part of what users see, so they stand in a file.
func TestSentencesReadAsWritten(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 3, 1, 8, 0, second, 0, time.UTC) }
	seen := func(s task.State, e task.Exit) task.Report { return task.Report{Attempt: 1, State: s, Exit: e} }
	waits := func(c job.Cause) job.Cause {
		c.Until, c.Then = at(50), task.Expired
		return c
	}
	gone := func(c job.Cause, s task.State) job.Cause {
		c.Until, c.Then, c.Seen = at(50), task.Unknown, seen(s, task.Exit{})
		return c
	}
	again := gone(job.Cause{Code: job.CauseNotConfirmed, Since: at(1)}, task.Dispatched)
	again.Seen.Attempt = 2
	causes := []job.Cause{
		{Code: job.CauseSettled, Since: at(1), Seen: seen(task.Succeeded, task.Exit{})},
		{Code: job.CauseSettled, Since: at(1), Seen: seen(task.Failed, task.Exit{Code: 3})},
		{Code: job.CauseSettled, Seen: seen(task.Failed, task.Exit{Reason: task.Signaled, Signal: 9})},
		{Code: job.CauseSettled, Since: at(1), Seen: seen(task.Expired, task.Exit{Reason: task.StartByPassed}), Concluded: true},
		{Code: job.CauseSettled, Since: at(1), Seen: task.Report{Attempt: 2, State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}},
		{Code: job.CauseAwaitsLateOutcome, Since: at(1), Seen: seen(task.Unknown, task.Exit{Reason: task.Silent})},
		{Code: job.CauseQuarantined, Seen: seen(task.Dispatched, task.Exit{})},
		{Code: job.CauseQuarantined, Seen: seen(task.Dispatched, task.Exit{}), Why: "it crashed its shard on scheduler s1 at 2026-03-01T08:00:00Z: index out of range"},
		gone(job.Cause{Code: job.CauseStopping, Since: at(1), Want: task.DesiredStop}, task.Running),
		gone(job.Cause{Code: job.CauseStopping, Since: at(1), Want: task.DesiredWithdraw}, task.Running),
		gone(job.Cause{Code: job.CauseStopping, Since: at(1), Want: task.DesiredWithdraw}, task.Accepted),
		waits(job.Cause{Code: job.CauseConcurrency, Since: at(1), Limit: 2, InFlight: 2}),
		waits(job.Cause{Code: job.CauseConcurrency, Limit: 2, InFlight: 3}),
		waits(job.Cause{Code: job.CauseOrder, Ahead: 1}),
		waits(job.Cause{Code: job.CauseOrder, Ahead: 12, Free: 3}),
		waits(job.Cause{Code: job.CauseOrder, Ahead: 1, Free: 3}),
		{Code: job.CauseNotBefore, Since: at(1), Until: at(20)},
		waits(job.Cause{Code: job.CauseHostAway, Since: at(1), Via: "aggregator-bj01-1"}),
		waits(job.Cause{Code: job.CauseHostAway}),
		gone(job.Cause{Code: job.CauseHostAway, Since: at(1), Via: "aggregator-bj01-1"}, task.Running),
		{Code: job.CauseHostAway, Since: at(1), Seen: seen(task.Unknown, task.Exit{Reason: task.Silent})},
		gone(job.Cause{Code: job.CauseNotConfirmed, Since: at(1)}, task.Dispatched),
		gone(job.Cause{Code: job.CauseNotConfirmed, TakenOver: true}, task.Dispatched),
		again,
		gone(job.Cause{Code: job.CauseClassQueue, Since: at(1), Class: "bulk", Via: "aggregator-bj01-1", Ahead: 12}, task.Dispatched),
		gone(job.Cause{Code: job.CauseClassQueue, Since: at(1), Class: "bulk", Via: "aggregator-bj01-1"}, task.Dispatched),
		gone(job.Cause{Code: job.CauseExecutorBusy, Since: at(1), StartBy: at(30)}, task.Accepted),
		gone(job.Cause{Code: job.CauseExecutorBusy, Since: at(1), StartBy: at(30), Want: task.DesiredWithdraw}, task.Accepted),
		gone(job.Cause{Code: job.CauseRunning, Since: at(1), Timeout: 30 * time.Second}, task.Running),
		gone(job.Cause{Code: job.CauseRunning, Timeout: 30 * time.Second}, task.Running),
		gone(job.Cause{Code: job.CauseRunning, Since: at(1)}, task.Running),
		gone(job.Cause{Code: job.CauseRunning, Since: at(1), Timeout: 30 * time.Second}, task.Starting),
		gone(job.Cause{Code: job.CauseOverdue, Since: at(31), Timeout: 30 * time.Second, OnlyReports: true}, task.Running),
		gone(job.Cause{Code: job.CauseOverdue, Since: at(31), Timeout: 30 * time.Second, OnlyReports: true, Want: task.DesiredStop}, task.Running),
		{Code: job.CauseSettled, Since: at(1), Seen: task.Report{State: task.Skipped, Exit: task.Exit{Reason: task.JobCanceled}}, Concluded: true},
		waits(job.Cause{Code: job.CauseBatch, Limit: 4, Done: 2}),
		waits(job.Cause{Code: job.CausePausePoint, Limit: 50, Done: 50, InFlight: 7}),
		waits(job.Cause{Code: job.CausePausePoint, Since: at(1), Limit: 50, Done: 50}),
		waits(job.Cause{Code: job.CausePausePoint, Since: at(1), Limit: 1, Done: 1}),
		waits(job.Cause{Code: job.CausePausePoint, Since: at(1), Limit: 2, Done: 2, OfBatches: true}),
		waits(job.Cause{Code: job.CausePaused, Since: at(1)}),
		waits(job.Cause{Code: job.CauseFailureBudget, Since: at(1), Limit: 1, Done: 2}),
		waits(job.Cause{Code: job.CauseFailureBudget, Limit: 3, Done: 1, InFlight: 3}),
	}
	var b strings.Builder
	for _, c := range causes {
		fmt.Fprintf(&b, "%s: %s\n", c.Code, causeText(c))
	}
	const golden = "testdata/causes.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || b.String() != string(want) {
		t.Errorf("the sentences are (%v; -rewrite takes them over)\n%s", err, b.String())
	}
}
