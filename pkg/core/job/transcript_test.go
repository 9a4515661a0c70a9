package job

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

var rewrite = flag.Bool("rewrite", false, "write what the machine says into testdata/*.txt")

// TestTheTranscripts plays every scenario of testdata and compares all that the
// machine owes, line by line. A line that begins with "> " is what happens; the
// lines below it are what is owed then. After a change that is meant, run the
// test with -rewrite and read the difference.
func TestTheTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			compareLines(t, file, string(text), got)
		})
	}
}

func compareLines(t *testing.T, file, want, got string) {
	t.Helper()
	wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wants), len(gots)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(wants) {
			w = wants[i]
		}
		if i < len(gots) {
			g = gots[i]
		}
		if w != g {
			t.Fatalf("%s:%d\n got: %s\nwant: %s", file, i+1, g, w)
		}
	}
}

// script is one scenario under way.
type script struct {
	t *testing.T
	r *rig
}

// play returns the scenario with what the machine owes now.
func play(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	s := &script{t: t}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "  "): // what was owed when it was written
		case strings.HasPrefix(line, "> "):
			out.WriteString(line + "\n" + s.do(strings.TrimPrefix(line, "> ")))
		default:
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// do plays one line and says what is owed then.
func (s *script) do(line string) string {
	words := strings.Fields(line)
	verb, rest := words[0], words[1:]
	switch verb {
	case "job":
		s.job(line)
		return ""
	case "restart":
		s.r.restart()
		return s.show(s.r.ready())
	case "at":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return s.show(s.r.at(d))
	case "tasks":
		return s.tasks()
	case "explain":
		return s.explain(rest)
	}
	for _, ev := range s.events(verb, rest) {
		if err := s.r.m.Step(s.r.now, ev); err != nil {
			return "  error: " + err.Error() + "\n"
		}
	}
	return s.show(s.r.ready())
}

// job reads such as: job concurrency=2 start-by=60s timeout=30s | r1: a b | r2: c
func (s *script) job(line string) {
	parts := strings.Split(line, "|")
	spec := aSpec()
	for _, word := range strings.Fields(parts[0])[1:] {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 32)
		d, _ := time.ParseDuration(value)
		switch key {
		case "concurrency":
			spec.Rollout.Concurrency = amountOf(value)
		case "batches":
			for size := range strings.SplitSeq(value, ",") {
				spec.Rollout.Batches = append(spec.Rollout.Batches, amountOf(size))
			}
		case "pause-after":
			spec.Rollout.PauseAfter = numbers(value)
		case "pause-batches":
			spec.Rollout.PauseBatches = numbers(value)
		case "budget", "abort":
			a := amountOf(value)
			spec.Rollout.MaxFailures = Budget{Limited: true, Count: a.Count, Percent: a.Percent}
			if key == "abort" {
				spec.Rollout.FailureAction = AbortOnFailure
			}
		case "spread":
			spec.Rollout.Order = SpreadRooms
		case "wait":
			spec.Rollout.WaitOffline = d
		case "attempts":
			spec.MaxAttempts = uint32(n)
		case "start-by":
			spec.StartBy = dawn().Add(d)
		case "rerun-until":
			spec.RerunUntil = dawn().Add(d)
		case "deadline":
			spec.Rollout.Deadline = dawn().Add(d)
		case "timeout":
			spec.Timeout = d
		case "report-only":
			spec.TimeoutReportOnly = true
		case "not-before":
			spec.NotBefore = dawn().Add(d)
		case "tolerated":
			for name := range strings.SplitSeq(value, ",") {
				state, _ := task.ParseState(name) // one that is none is refused below
				spec.Rollout.Tolerated = append(spec.Rollout.Tolerated, state)
			}
		default:
			s.t.Fatalf("a job has no %s", key)
		}
	}
	rooms := make([]string, 0, len(parts))
	for _, room := range parts[1:] {
		rooms = append(rooms, strings.TrimSpace(room))
	}
	targets := targetsOf(s.t, rooms...)
	if err := Validate(spec, targets, dawn()); err != nil {
		s.t.Fatal(err)
	}
	s.r = newRig(s.t, spec, targets)
}

// amountOf reads 3 or 25%.
func amountOf(text string) Amount {
	digits, share := strings.CutSuffix(text, "%")
	n, _ := strconv.ParseUint(digits, 10, 32)
	if share {
		return Amount{Percent: uint32(n)}
	}
	return Amount{Count: uint32(n)}
}

func numbers(text string) []uint32 {
	var list []uint32
	for word := range strings.SplitSeq(text, ",") {
		list = append(list, amountOf(word).Count)
	}
	return list
}

func (s *script) events(verb string, words []string) []Event {
	var events []Event
	switch verb {
	case "reach": // a b, or a/2 with incarnation 2
		for _, w := range words {
			host, n, given := strings.Cut(w, "/")
			ev := reach(host)
			if given {
				ev.Incarnation = inc(n[0] - '0')
			}
			events = append(events, ev)
		}
	case "gone":
		for _, w := range words {
			events = append(events, Gone{fleet.HostID(w), s.r.now})
		}
	case "report": // a RUNNING, or a LOST/rebooted#2
		events = append(events, s.report(words[0], words[1]))
	case "overdue": // a runs past its timeout
		ev := report(words[0], task.Running)
		ev.Detail.Overdue = true
		events = append(events, ev)
	case "past-w": // a same, a restored, a forgotten, or a impossible: forgotten, and the same
		said := PastW{Host: fleet.HostID(words[0]), Incarnation: inc(1)}
		said.SameGeneration = words[1] == "same" || words[1] == "impossible"
		said.Forgotten = words[1] == "forgotten" || words[1] == "impossible"
		events = append(events, said)
	case "not-known", "not-here":
		var list []uint32
		for _, w := range words {
			list = append(list, s.r.ordinal(w))
		}
		if verb == "not-known" {
			return []Event{NotKnown{list}}
		}
		return []Event{NotHere{list}}
	case "cancel": // id, expected control revision, perhaps keep
		expected, _ := strconv.ParseUint(words[1], 10, 64)
		ev := cancelAs(words[0])
		ev.Expected, ev.KeepRunning = expected, len(words) > 2
		events = append(events, ev)
	case "pause": // id, expected control revision
		expected, _ := strconv.ParseUint(words[1], 10, 64)
		events = append(events, Pause{requestID(words[0]), expected})
	case "resume": // id, expected control revision, and end, next or a number
		expected, _ := strconv.ParseUint(words[1], 10, 64)
		ev := Resume{RequestID: requestID(words[0]), Expected: expected}
		switch words[2] {
		case "end":
		case "next":
			ev.Until = UntilNext
		default:
			ev.Until, ev.Targets = UntilNumber, amountOf(words[2]).Count
		}
		events = append(events, ev)
	default:
		s.t.Fatalf("nobody knows what %q means", verb)
	}
	return events
}

func (s *script) report(host, text string) Reported {
	text, attempt, _ := strings.Cut(text, "#")
	state, reason, _ := strings.Cut(text, "/")
	ev := report(host, 0)
	var ok bool
	if ev.Report.State, ok = task.ParseState(state); !ok {
		s.t.Fatalf("no state %q", state)
	}
	if reason != "" {
		if ev.Report.Exit.Reason, ok = task.ParseReason(reason); !ok {
			s.t.Fatalf("no reason %q", reason)
		}
	}
	if n, err := strconv.ParseUint(attempt, 10, 32); err == nil {
		ev.Report.Attempt = uint32(n)
	}
	return ev
}

func (s *script) host(o uint32) string { return string(s.r.m.targets.At(o).Host) }

// show is all of a Ready, and when a tick is due.
func (s *script) show(rd Ready) string {
	var b strings.Builder
	line := func(what string, words []string) {
		if len(words) > 0 {
			b.WriteString("  " + what + " " + strings.Join(words, " ") + "\n")
		}
	}
	if rd.Persist.Row != nil {
		line("persist row", []string{s.row(rd.Persist.Row)})
	}
	line("persist released", each(rd.Persist.Released, s.host))
	line("persist task", each(rd.Persist.Tasks, func(r TaskRow) string { return s.host(r.Ordinal) + "=" + say(r.Report) }))
	line("persist control", each(rd.Persist.Controls, func(c ControlRow) string {
		return fmt.Sprintf("%s control=%d%s", strings.TrimRight(c.RequestID, "-"), c.ControlRevision, asked(c))
	}))
	line("send dispatch", each(rd.Send.Dispatch, func(d Dispatch) string {
		text := fmt.Sprintf("%s#%d", s.host(d.Ordinal), d.Attempt)
		if d.Want != task.DesiredRun {
			text += "(" + d.Want.String() + ")"
		}
		return text
	}))
	line("send wish", each(rd.Send.Wishes, func(x Wish) string { return fmt.Sprintf("%s#%d(%s)", s.host(x.Ordinal), x.Attempt, x.Want) }))
	line("send forget", each(rd.Send.Forget, s.host))
	line("send query", each(rd.Send.Query, s.host))
	line("changed", each(rd.Changed, s.host))
	if rd.Settled {
		line("settled", []string{"(said once)"})
	}
	if due, ok := s.r.m.Due(); ok {
		line("due at", []string{due.Sub(dawn()).String()})
	}
	return b.String()
}

func asked(c ControlRow) string {
	switch c.Kind {
	case PauseRequest:
		return " pause"
	case ResumeRequest:
		return fmt.Sprintf(" resume until=%d targets=%d", c.Until, c.Targets)
	case CancelRequest:
	}
	return fmt.Sprintf(" keep=%v", c.KeepRunning)
}

// rollout is how far it has come, where there is more than a concurrency.
func (s *script) rollout(row *Row) string {
	var text string
	if row.Pause != NotPaused {
		text += fmt.Sprintf(" pause=%d", row.Pause)
	}
	for _, f := range []struct {
		name  string
		value uint32
	}{{"batch", row.Batch}, {"gate", row.Gate}, {"batch-gate", row.BatchGate}, {"forgiven", row.Forgiven}} {
		if f.value > 0 {
			text += fmt.Sprintf(" %s=%d", f.name, f.value)
		}
	}
	return text
}

func (s *script) row(row *Row) string {
	text := fmt.Sprintf("%s revision=%d control=%d wish=%s", row.State, row.Revision, row.ControlRevision, row.Wish) + s.rollout(row)
	for state, n := range row.Counts.All() {
		text += fmt.Sprintf(" %s:%d", state, n)
	}
	if row.Conflicts > 0 {
		text += fmt.Sprintf(" conflicts=%d", row.Conflicts)
	}
	return text
}

func (s *script) tasks() string {
	var b strings.Builder
	for o := range uint32(s.r.m.targets.Len()) {
		v := s.r.m.Task(o)
		fmt.Fprintf(&b, "  %s %s revision=%d", s.host(o), say(v.Report), v.Revision)
		if v.Overdue {
			b.WriteString(" overdue")
		}
		if v.Unreachable {
			b.WriteString(" unreachable")
			if !v.UnreachableSince.IsZero() {
				b.WriteString(" since " + v.UnreachableSince.Sub(dawn()).String())
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// explain says why tasks are where they are: see chain.
func (s *script) explain(hosts []string) string {
	var b strings.Builder
	for _, host := range hosts {
		fmt.Fprintf(&b, "  %s: %s\n", host, chain(s.r.m.Explain(s.r.ordinal(host))))
	}
	return b.String()
}

func each[T any](list []T, text func(T) string) []string {
	var words []string
	for _, x := range list {
		words = append(words, text(x))
	}
	return words
}
