package adopt

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// accepted, begun and running are what the disk shows on an undisturbed way.
var (
	accepted = Found{Spec: Whole}
	begun    = Found{Spec: Whole, Claim: Begun}
	running  = Found{Spec: Whole, Claim: Begun, Run: Whole}
	ended    = Found{Spec: Whole, Claim: Begun, Run: Whole, Exit: Whole}
)

func with(f Found, change func(*Found)) Found {
	change(&f)
	return f
}

func TestWhatAnExecutorDoesAfterACrash(t *testing.T) {
	gone := Liveness{}
	for _, c := range []struct {
		sentence string
		found    Found
		lives    Liveness
		want     Action
	}{
		{"power went between making the directory and the specification: it was never acknowledged", Found{}, gone, RemoveIncomplete},
		{"a wish to stop alone was never acknowledged either", Found{Stop: true}, gone, RemoveIncomplete},
		{"killed between acknowledging and starting: start it now", accepted, gone, StartEndProcess},
		{"the same after a reboot, which an attempt without a record does not notice", accepted, Liveness{OtherBoot: true}, StartEndProcess},
		{"its end-process was just started and has not decided yet", accepted, Liveness{EndProcess: Alive}, Watch},
		{"whether an end-process is there cannot be seen: do not start a second", accepted, Liveness{EndProcess: Unclear}, Watch},
		{"canceled while the executor was away", with(accepted, func(f *Found) { f.Stop = true }), gone, RecordCanceled},
		{"canceled while its end-process is about to decide: whoever is first", with(accepted, func(f *Found) { f.Stop = true }), Liveness{EndProcess: Alive}, RecordCanceled},
		{"the executor was away past the start-by", accepted, Liveness{StartByPassed: true}, RecordExpired},
		{"canceled and past the start-by: the wish was first", with(accepted, func(f *Found) { f.Stop = true }), Liveness{StartByPassed: true}, RecordCanceled},
		{"canceled before the start, and the executor died before it said so", with(accepted, func(f *Found) { f.Claim = Decided }), gone, Report},
		{"canceled although no specification ever came", Found{Claim: Decided}, gone, Report},

		{"the executor was upgraded while a command runs", running, Liveness{EndProcess: Alive, Tree: true}, Watch},
		{"the same with a wish to stop: the end-process reads it itself", with(running, func(f *Found) { f.Stop = true }), Liveness{EndProcess: Alive, Tree: true}, Watch},
		{"the leader has ended and its end-process drains", running, Liveness{EndProcess: Alive}, Watch},
		{"the record exists and the user's process not yet", begun, Liveness{EndProcess: Alive}, Watch},
		{"the start-by does not end what has begun", begun, Liveness{EndProcess: Alive, StartByPassed: true}, Watch},
		{"an end-process that cannot be looked at is not dead", running, Liveness{EndProcess: Unclear}, Watch},
		{"nor is its tree taken from it", running, Liveness{EndProcess: Unclear, Tree: true}, Watch},

		{"the end-process was killed and the command runs on", running, Liveness{Tree: true}, TakeOver},
		{"the end-process was killed between fork and the leader's record", begun, Liveness{Tree: true}, TakeOver},
		{"end-process and command were killed together", running, gone, RecordSupervisorLost},
		{"the end-process died right after its record: it may have started something", begun, gone, RecordSupervisorLost},
		{"the host rebooted under a running command", running, Liveness{OtherBoot: true}, RecordRebooted},
		{"the host rebooted right after the attempt's record", begun, Liveness{OtherBoot: true}, RecordRebooted},
		{"no process survives a reboot, seen or not", running, Liveness{OtherBoot: true, EndProcess: Unclear}, RecordRebooted},
		{"a stopped command whose host rebooted is lost, not canceled", with(running, func(f *Found) { f.Stop = true }), Liveness{OtherBoot: true}, RecordRebooted},

		{"it ended while the executor was away", ended, gone, Report},
		{"it ended and a daemonised grandchild lives on", ended, Liveness{Tree: true}, Report},
		{"it ended and its end-process is about to exit", ended, Liveness{EndProcess: Alive}, Report},
		{"it ended before the reboot", ended, Liveness{OtherBoot: true}, Report},
		{"it ended and its specification is damaged: the outcome is whole", with(ended, func(f *Found) { f.Spec = Damaged }), gone, Report},

		{"killed between the tombstone and the deletion", with(ended, func(f *Found) { f.Released = true }), gone, FinishRelease},
		{"killed half way through the deletion: what is left looks startable", with(accepted, func(f *Found) { f.Released = true }), gone, FinishRelease},
		{"killed half way through the deletion: what is left looks lost", with(begun, func(f *Found) { f.Released = true }), gone, FinishRelease},

		{"a damaged specification starts nothing", Found{Spec: Damaged}, gone, SetAside},
		{"a damaged attempt's record: it may have started", with(accepted, func(f *Found) { f.Claim = DamagedClaim }), gone, RecordSupervisorLost},
		{"a damaged attempt's record and something lives", with(accepted, func(f *Found) { f.Claim = DamagedClaim }), Liveness{Tree: true}, TakeOver},
		{"a damaged exit record and nothing lives: its end cannot be known", with(running, func(f *Found) { f.Exit = Damaged }), gone, RecordSupervisorLost},
		{"a damaged leader's record without an attempt's record: something wrote it", with(accepted, func(f *Found) { f.Run = Damaged }), gone, RecordSupervisorLost},
		{"nothing on disk, and yet its tree lives: start nothing, let it end", accepted, Liveness{Tree: true}, TakeOver},
		{"the specification is gone from under a running command", with(running, func(f *Found) { f.Spec = Missing }), Liveness{EndProcess: Alive, Tree: true}, Watch},
		{"the directory was emptied while an end-process is about to decide", Found{}, Liveness{EndProcess: Alive}, Watch},
	} {
		if got := Decide(c.found, c.lives); got != c.want {
			t.Errorf("%s: %v, want %v", c.sentence, got, c.want)
		}
	}
}

// promises are what must hold in every situation, whatever the table says.
var promises = []struct {
	sentence string
	broken   func(f Found, l Liveness, do Action) bool
}{
	{"never a start when an attempt's record exists", func(f Found, _ Liveness, do Action) bool {
		return do == StartEndProcess && f.Claim != NoClaim
	}},
	{"a damaged record never starts anything", func(f Found, _ Liveness, do Action) bool {
		damaged := f.Spec == Damaged || f.Claim == DamagedClaim || f.Run == Damaged || f.Exit == Damaged
		return damaged && do == StartEndProcess
	}},
	{"never a start without a whole specification", func(f Found, _ Liveness, do Action) bool {
		return do == StartEndProcess && f.Spec != Whole
	}},
	{"never a start of what is canceled, late, ended or released", func(f Found, l Liveness, do Action) bool {
		return do == StartEndProcess && (f.Stop || l.StartByPassed || f.Exit != Missing || f.Released)
	}},
	{"never a start beside something that lives", func(_ Found, l Liveness, do Action) bool {
		return do == StartEndProcess && (l.Tree || l.EndProcess == Alive)
	}},
	{"never lost while the tree is alive", func(_ Found, l Liveness, do Action) bool {
		return lost(do) && l.Tree
	}},
	{"never lost while the end-process may write the end itself", func(_ Found, l Liveness, do Action) bool {
		return lost(do) && (l.EndProcess == Alive || l.EndProcess == Unclear && !l.OtherBoot)
	}},
	{"never lost where an outcome is on disk", func(f Found, _ Liveness, do Action) bool {
		return lost(do) && (f.Exit == Whole || f.Claim == Decided)
	}},
	{"never lost what certainly never began", func(f Found, _ Liveness, do Action) bool {
		return lost(do) && f.Claim == NoClaim && f.Run == Missing && f.Exit == Missing
	}},
	{"rebooted is said if and only if another boot is on record", func(_ Found, l Liveness, do Action) bool {
		return do == RecordRebooted && !l.OtherBoot || do == RecordSupervisorLost && l.OtherBoot
	}},
	{"nothing is taken over from an end-process that may live", func(_ Found, l Liveness, do Action) bool {
		return do == TakeOver && (l.EndProcess == Alive || l.EndProcess == Unclear && !l.OtherBoot)
	}},
	{"only what lives is taken over", func(_ Found, l Liveness, do Action) bool {
		return do == TakeOver && !l.Tree
	}},
	{"canceled, expired and set aside only where nobody has decided", func(f Found, _ Liveness, do Action) bool {
		return (do == RecordCanceled || do == RecordExpired || do == SetAside) && f.Claim != NoClaim
	}},
	{"canceled only on a wish, expired only past the start-by", func(f Found, l Liveness, do Action) bool {
		return do == RecordCanceled && !f.Stop || do == RecordExpired && !l.StartByPassed
	}},
	{"an outcome on disk is reported unless it is released", func(f Found, _ Liveness, do Action) bool {
		return (f.Exit == Whole || f.Claim == Decided) && !f.Released && do != Report
	}},
	{"only an outcome on disk is reported", func(f Found, _ Liveness, do Action) bool {
		return do == Report && f.Exit != Whole && f.Claim != Decided
	}},
	{"nothing is deleted that was acknowledged and not released", func(f Found, _ Liveness, do Action) bool {
		return do == RemoveIncomplete && f != Found{Stop: f.Stop} || do == FinishRelease && !f.Released
	}},
	{"nothing waits for ever on the dead", func(_ Found, l Liveness, do Action) bool {
		return do == Watch && l.EndProcess == Dead
	}},
}

func lost(do Action) bool { return do == RecordRebooted || do == RecordSupervisorLost }

func TestWhatHoldsInEverySituation(t *testing.T) {
	everySituation(func(s situation) {
		f, l := s.inputs()
		do := Decide(f, l)
		for _, p := range promises {
			if p.broken(f, l, do) {
				t.Errorf("%s: broken by %v in %v", p.sentence, do, s)
			}
		}
	})
}

// TestThePromisesFindPlantedBugs asks the promises about wrong deciders: a
// promise that no bug can break proves nothing.
func TestThePromisesFindPlantedBugs(t *testing.T) {
	bugs := map[string]func(Found, Liveness) Action{
		"starts again what has begun": func(f Found, l Liveness) Action {
			if f.Claim == Begun && !l.Tree {
				f.Claim = NoClaim
			}
			return Decide(f, l)
		},
		"takes a damaged record for a missing one": func(f Found, l Liveness) Action {
			if f.Claim == DamagedClaim {
				f.Claim = NoClaim
			}
			return Decide(f, l)
		},
		"takes unclear for dead": func(f Found, l Liveness) Action {
			if l.EndProcess == Unclear {
				l.EndProcess = Dead
			}
			return Decide(f, l)
		},
		"forgets the tree": func(f Found, l Liveness) Action {
			l.Tree = false
			return Decide(f, l)
		},
		"forgets the exit record": func(f Found, l Liveness) Action {
			f.Exit = Missing
			return Decide(f, l)
		},
		"forgets the tombstone": func(f Found, l Liveness) Action {
			f.Released = false
			return Decide(f, l)
		},
		"forgets the wish": func(f Found, l Liveness) Action {
			f.Stop = false
			return Decide(f, l)
		},
		"forgets the clock": func(f Found, l Liveness) Action {
			l.StartByPassed = false
			return Decide(f, l)
		},
		"forgets the boot": func(f Found, l Liveness) Action {
			l.OtherBoot = false
			return Decide(f, l)
		},
		"does nothing": func(Found, Liveness) Action { return Watch },
	}
	for name, bug := range bugs {
		found := false
		everySituation(func(s situation) {
			f, l := s.inputs()
			for _, p := range promises {
				found = found || p.broken(f, l, bug(f, l))
			}
		})
		// Deleting a released directory late, or not at all, harms nobody but
		// the disk; the golden table alone sees it.
		if harmless := name == "forgets the tombstone"; !found && !harmless {
			t.Errorf("no promise notices an executor that %s", name)
		}
	}
}

// disk plays one attempt on a disk: each step is what the executor or an
// end-process does, and a crash may come after any of them.
type disk struct {
	Found
	live   Liveness
	starts int
}

func (d *disk) step(t *rapid.T) {
	switch do := Decide(d.Found, d.live); do {
	case StartEndProcess:
		d.live.EndProcess = Alive
	case RecordCanceled, RecordExpired, SetAside:
		d.Claim = Decided
	case RecordRebooted, RecordSupervisorLost:
		d.Exit = Whole
	case TakeOver:
		d.live.Tree = rapid.Bool().Draw(t, "the tree lives on")
	case Watch:
		d.endProcess()
	case Report:
		d.Released = true
	case RemoveIncomplete, FinishRelease:
	}
}

// endProcess does the next thing that an end-process does.
func (d *disk) endProcess() {
	switch {
	case d.live.EndProcess != Alive:
		d.live.EndProcess = Dead
	case d.Claim == NoClaim:
		d.Claim = Begun
	case d.Run == Missing && !d.live.Tree:
		d.live.Tree = true
		d.starts++
	case d.Run == Missing:
		d.Run = Whole
	case d.live.Tree:
		d.live.Tree = false
	case d.Exit == Missing:
		d.Exit = Whole
	default:
		d.live.EndProcess = Dead
	}
}

func TestWhateverCrashesAnAttemptStartsOnceAtMostAndEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &disk{Found: accepted}
		for range 40 {
			switch rapid.IntRange(0, 9).Draw(t, "what happens") {
			case 0:
				d.live.EndProcess = Dead
			case 1:
				d.live.EndProcess, d.live.Tree = Dead, false
				d.live.OtherBoot = d.Claim == Begun
			case 2:
				d.Stop = true
			case 3:
				d.live.StartByPassed = true
			default:
				d.step(t)
			}
		}
		for range 40 {
			d.step(t)
			d.live.Tree = d.live.Tree && d.live.EndProcess == Alive
		}
		if d.starts > 1 {
			t.Fatalf("started %d times", d.starts)
		}
		if !d.Released {
			t.Fatalf("never ends: %+v", d)
		}
	})
}

func TestWhatAnActionRecordsIsAnOutcomeOfTheExecutor(t *testing.T) {
	for do := Watch; do <= FinishRelease; do++ {
		state, reason, ok := do.Records()
		if !ok {
			if state != task.Unspecified || reason != task.NoReason {
				t.Errorf("%v records nothing and yet %v %v", do, state, reason)
			}
			continue
		}
		if reason.Of() != state {
			t.Errorf("%v: %v does not explain %v", do, reason, state)
		}
		from := task.Accepted
		if lost(do) {
			from = task.Starting
		}
		if !task.May(task.Executor, from, state) {
			t.Errorf("%v: an executor may not go from %v to %v", do, from, state)
		}
		_, again := task.Rerun(task.Report{Attempt: 1, State: state, Exit: task.Exit{Reason: reason}})
		if again != lost(do) {
			t.Errorf("%v: may be run again: %v", do, again)
		}
	}
}

func TestActionsAreNamed(t *testing.T) {
	seen := map[string]bool{}
	for do := Watch; do <= FinishRelease; do++ {
		if name := do.String(); seen[name] || name == "unspecified" {
			t.Errorf("action %d is called %q", do, name)
		}
		seen[do.String()] = true
	}
	if got := Action(99).String(); got != "unspecified" {
		t.Errorf("an action that does not exist is called %q", got)
	}
}
