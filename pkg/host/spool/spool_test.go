package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

func open(t *testing.T, path string) *Root {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func accept(t *testing.T, r *Root, id string) *Command {
	t.Helper()
	script := []byte("echo")
	spec := Spec{ID: id, RememberUntil: time.Now(), Run: Run{Interpreter: []string{"sh"}, Script: Attach(script), Keep: 1}}
	if err := r.Accept(spec, script, nil); err != nil {
		t.Fatal(err)
	}
	c, err := r.Command(id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var lost = Outcome{State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}}

func TestOfManyWhoDecideAnAttemptOneHasDecided(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	var winners, losers atomic.Int32
	var who atomic.Int32
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			mine, err := OpenCommand(c.Path(""))
			if err != nil {
				t.Error(err)
				return
			}
			defer mine.Close()
			err = mine.Decide(1, Attempt{Supervisor: proc.Identity{Boot: "b", PID: n + 1}, Mark: "m"})
			switch {
			case err == nil:
				winners.Add(1)
				who.Store(int32(n + 1))
			case errors.Is(err, ErrExists):
				losers.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err := c.Attempt(1)
	if winners.Load() != 1 || losers.Load() != 19 || err != nil || a.Supervisor.PID != int(who.Load()) {
		t.Errorf("%d won, %d lost, the record is %+v, %v", winners.Load(), losers.Load(), a, err)
	}
	if left, _ := filepath.Glob(c.Path(".tmp*")); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestAnOutcomeNeverChanges(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	if err := c.End(1, lost); err != nil {
		t.Fatal(err)
	}
	if err := c.End(1, Outcome{State: task.Succeeded}); !errors.Is(err, ErrExists) {
		t.Errorf("a second outcome: %v", err)
	}
	if o, err := c.Outcome(1); err != nil || o != lost {
		t.Errorf("the outcome is %+v, %v", o, err)
	}
}

func TestNobodyDecidesInADirectoryThatWasRemoved(t *testing.T) {
	r := open(t, t.TempDir())
	c := accept(t, r, "a") // an end-process that has read the spec
	if err := r.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := c.Decide(1, Attempt{}); !errors.Is(err, ErrMissing) {
		t.Errorf("in a removed directory: %v", err)
	}
	again := accept(t, r, "a")
	if err := c.Decide(1, Attempt{}); !errors.Is(err, ErrMissing) {
		t.Errorf("with another directory of that name: %v", err)
	}
	if _, err := again.Attempt(1); !errors.Is(err, ErrMissing) {
		t.Errorf("the other directory has a record: %v", err)
	}
}

func TestWhoDecidesDuringARemovalSeesIt(t *testing.T) {
	r := open(t, t.TempDir())
	c := accept(t, r, "a")
	if err := os.Remove(c.Path(specFile)); err != nil { // the first step of Remove
		t.Fatal(err)
	}
	if err := c.Decide(1, Attempt{}); err != nil || !c.Removed() {
		t.Errorf("%v, removed: %v", err, c.Removed())
	}
}

func TestACommandExistsOnlyWithItsWholeSpecification(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	accept(t, r, "whole")
	accept(t, r, "removed")
	if err := r.MarkReleased("removed", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.Path("removed"), specFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.Path("unborn"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.Path("unborn"), ".tmp.1.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, aside, err := r.Scan(time.Now())
	if err != nil || len(found) != 1 || found[0].ID != "whole" || found[0].Latest != 1 || len(aside) != 0 {
		t.Errorf("found %+v, set aside %v, %v", found, aside, err)
	}
	for _, id := range []string{"removed", "unborn"} {
		if _, err := r.Command(id); !errors.Is(err, ErrMissing) {
			t.Errorf("%s is still there: %v", id, err)
		}
	}
}

func TestAFailedAcceptanceLeavesNothing(t *testing.T) {
	r := open(t, t.TempDir())
	accept(t, r, "a")
	if err := r.Accept(Spec{ID: "a"}, nil, nil); err == nil {
		t.Error("a command was accepted over another")
	}
	if c, err := r.Command("a"); err != nil {
		t.Errorf("the first is gone: %v", err)
	} else {
		c.Close()
	}
	if err := os.Mkdir(r.Path("b"), 0o700); err != nil { // of a failure before
		t.Fatal(err)
	}
	accept(t, r, "b")
}

func TestOneDirectoryHasOneExecutor(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	var held *LockedError
	if _, err := Open(path); !errors.As(err, &held) || held.Holder == "" {
		t.Errorf("a second one: %v", err)
	}
	before := r.Incarnation()
	r.Close()
	if after := open(t, path).Incarnation(); after != before || after == [16]byte{} {
		t.Errorf("the incarnation was %x and is %x", before, after)
	}
}

func TestALostIdentityIsNotReplacedWhileThereAreCommands(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error { return os.Truncate(path, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			r := open(t, path)
			accept(t, r, "a")
			r.Close()
			if err := spoil(filepath.Join(path, incarnationFile)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "incarnation") {
				t.Errorf("it was opened: %v", err)
			}
		})
	}
}

func TestSessionNumbersGoOnAfterARestart(t *testing.T) {
	path := t.TempDir()
	for want := uint64(1); want < 30; want += 10 {
		r := open(t, path)
		if first, err := r.ReserveSessions(10); err != nil || first != want {
			t.Errorf("the block begins at %d, want %d: %v", first, want, err)
		}
		r.Close()
	}
	if err := os.Truncate(filepath.Join(path, sessionsFile), 5); err != nil {
		t.Fatal(err)
	}
	if first, err := open(t, path).ReserveSessions(1); err == nil {
		t.Errorf("from a damaged counter came %d", first)
	}
}

func TestTombstonesStandUntilTheyArePurgedAndWStays(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	e := time.Unix(1000, 5).UTC()
	decided := Tomb{ID: "refused", RememberUntil: e, Attempt: 1, Outcome: lost, Context: []byte{0, 255}}
	if _, err := r.Bury(decided); err != nil {
		t.Fatal(err)
	}
	second := decided
	second.Outcome = Outcome{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}}
	if stands, err := r.Bury(second); err != nil || stands.Outcome != decided.Outcome {
		t.Errorf("after a second one %+v stands, %v", stands, err)
	}
	if err := r.MarkReleased("released", e); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, tombsDir, "torn"), []byte("command="), 0o600); err != nil {
		t.Fatal(err)
	}
	tombs, damaged, err := r.Tombs()
	if err != nil || len(tombs) != 3 || len(damaged) != 1 || damaged[0] != "torn" {
		t.Fatalf("tombs %+v, damaged %v, %v", tombs, damaged, err)
	}
	for _, tomb := range tombs {
		if tomb.ID == "torn" && (!tomb.Released || !tomb.RememberUntil.IsZero()) {
			t.Errorf("a torn tombstone reads %+v", tomb)
		}
	}
	if err := r.Purge([]string{"released", "gone already"}, e); err != nil {
		t.Fatal(err)
	}
	if w, err := r.Watermark(); err != nil || !w.Equal(e) {
		t.Errorf("W is %v, %v", w, err)
	}
	if tombs, _, _ := r.Tombs(); len(tombs) != 2 {
		t.Errorf("%d tombstones are left", len(tombs))
	}
}

func TestADamagedWishToStopIsAWish(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	if c.Stopped() {
		t.Fatal("stopped before anybody wished it")
	}
	if err := os.WriteFile(c.Path(stopFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.Stopped() || c.Stop() != nil {
		t.Error("an empty stop file is no wish")
	}
}

func TestEveryFaultOfASpecificationIsNamed(t *testing.T) {
	bad := Spec{
		ID: "UPPER", SlotGroup: strings.Repeat("x", 65), Context: make([]byte, MaxContext+1),
		Run: Run{
			Interpreter: []string{"sh\x00"}, Keep: MaxKept + 1, Timeout: -1,
			Stdin: Attachment{Present: true, Size: MaxStdin + 1}, Env: []string{strings.Repeat("x", MaxArgs)},
		},
	}
	err := bad.Check()
	for _, want := range []string{"command id", "slot_group", "context", "remember_until", "argv", "interpreter", "output_limit", "timeout", "stdin", "zero byte", "128 KiB"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
	good := Spec{ID: "0192f0c4-7a3e", RememberUntil: time.Now(), Run: Run{Argv: []string{"true"}, Keep: 1}}
	if err := good.Check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestAnEndingMeansItsOutcome(t *testing.T) {
	for _, c := range []struct {
		end  proc.Ending
		want task.Report
	}{
		{proc.Ending{Known: true}, task.Report{State: task.Succeeded}},
		{proc.Ending{Known: true, Status: proc.Status{Code: 2}}, task.Report{State: task.Failed, Exit: task.Exit{Code: 2}}},
		{proc.Ending{Known: true, Status: proc.Status{Signal: 11}}, task.Report{State: task.Failed, Exit: task.Exit{Reason: task.Signaled, Signal: 11}}},
		{proc.Ending{}, task.Report{State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}}},
		{proc.Ending{Known: true, Cause: proc.ByTimeout, Status: proc.Status{Signal: 9}}, task.Report{State: task.TimedOut, Exit: task.Exit{Reason: task.Timeout, Signal: 9}}},
		{proc.Ending{Cause: proc.ByStop}, task.Report{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}}},
		{proc.Ending{Known: true, Cause: proc.ByStop}, task.Report{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}}},
	} {
		got := Ended(c.end)
		if (task.Report{State: got.State, Exit: got.Exit}) != c.want || !(task.Report{Attempt: 1, State: got.State, Exit: got.Exit}).Valid() {
			t.Errorf("%+v means %v %+v, want %+v", c.end, got.State, got.Exit, c.want)
		}
	}
}

func TestTheReasonOfAnEndIsKeptOnceAndForEachAttempt(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	if got := c.Ending(1); got != proc.ByItself {
		t.Errorf("before anything it ends by %v", got)
	}
	if err := c.MarkEnding(1, proc.ByStop); err != nil {
		t.Fatal(err)
	}
	if err := c.MarkEnding(1, proc.ByTimeout); !errors.Is(err, ErrExists) {
		t.Errorf("another reason: %v, want ErrExists", err)
	}
	if err := c.MarkEnding(2, proc.ByTimeout); err != nil {
		t.Fatal(err)
	}
	for attempt, want := range map[uint32]proc.Cause{1: proc.ByStop, 2: proc.ByTimeout, 3: proc.ByItself} {
		if got := c.Ending(attempt); got != want {
			t.Errorf("attempt %d ends by %v, want %v", attempt, got, want)
		}
	}
	if err := os.WriteFile(c.Path("ending.3"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.Ending(3); got != proc.ByItself {
		t.Errorf("by a record that cannot be read it ends by %v", got)
	}
}

func TestWhatIsNoCommandIsSetAsideWithItsReason(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	accept(t, r, "good")
	half := accept(t, r, "half")
	if err := half.Decide(1, Attempt{Decided: lost}); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(os.Remove(half.Path(specFile)), os.WriteFile(r.Path("file"), []byte("x"), 0o600),
		os.Mkdir(r.Path("No id"), 0o700), os.WriteFile(r.Path("No id")+"/x", nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, 7)
	found, aside, err := r.Scan(now)
	if err != nil || len(found) != 2 || len(aside) != 2 {
		t.Fatalf("found %+v, set aside %q, %v", found, aside, err)
	}
	for name, want := range map[string]string{"file": "not a directory", "No id": "not the id"} {
		why, err := os.ReadFile(filepath.Join(path, damagedDir, name+".7.why"))
		if err != nil || !strings.Contains(string(why), want) {
			t.Errorf("of %s it says %q, %v", name, why, err)
		}
		if _, err := os.Lstat(filepath.Join(path, damagedDir, name+".7")); err != nil {
			t.Error(err)
		}
	}
	found, aside, err = r.Scan(now)
	if err != nil || len(found) != 2 || len(aside) != 0 {
		t.Errorf("the next time: found %+v, set aside %q, %v", found, aside, err)
	}
	for _, f := range found {
		if f.Damaged != (f.ID == "half") { // it has a record, and must not be taken for new
			t.Errorf("%s is found damaged: %v", f.ID, f.Damaged)
		}
	}
}
