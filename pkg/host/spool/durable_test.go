package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// unsyncable makes a directory one in which everything works but fsync.
func unsyncable(t *testing.T, f *folder) (repair func()) {
	t.Helper()
	good := f.fd
	fd, err := unix.Open(f.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.fd = fd
	return func() { unix.Close(fd); f.fd = good }
}

func TestADecisionOfSomebodyElseIsNotBelievedBeforeItIsDurable(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	first := Attempt{Supervisor: proc.Identity{Boot: "b", PID: 1, Start: 1}, Mark: "m"}
	if err := c.Decide(1, first); err != nil {
		t.Fatal(err)
	}
	repair := unsyncable(t, &c.dir)
	if err := c.Decide(1, Attempt{Decided: lost}); err == nil || errors.Is(err, ErrExists) {
		t.Errorf("without a sync the loser hears %v", err)
	}
	if err := c.Confirm(); err == nil {
		t.Error("records were confirmed without a sync")
	}
	repair()
	if err := c.Decide(1, Attempt{Decided: lost}); !errors.Is(err, ErrExists) {
		t.Errorf("the loser hears %v", err)
	}
	if err := c.Confirm(); err != nil {
		t.Error(err)
	}
}

func TestATombstoneThatCouldNotBeSyncedCanBeBuriedAgain(t *testing.T) {
	r := open(t, t.TempDir())
	tomb := Tomb{ID: "a", RememberUntil: time.Unix(9, 0).UTC(), Attempt: 1, Outcome: lost, Context: []byte("why")}
	repair := unsyncable(t, &r.tombs)
	if _, err := r.Bury(tomb); err == nil {
		t.Fatal("it was buried without a sync")
	}
	repair()
	if stands, err := r.Bury(tomb); err != nil || !reflect.DeepEqual(stands, tomb) {
		t.Errorf("%+v stands, %v", stands, err)
	}
}

// The directory of a released command goes when its tombstone is durable, and a
// tombstone goes when W is: without the sync neither has happened.
func TestAReleaseOrAPurgeThatCouldNotBeSyncedHasNotHappened(t *testing.T) {
	r := open(t, t.TempDir())
	e := time.Unix(9, 0).UTC()
	repair := unsyncable(t, &r.tombs)
	if err := r.MarkReleased("a", e); err == nil {
		t.Error("it was released without a sync of its tombstone")
	}
	repair()
	if err := r.MarkReleased("a", e); err != nil {
		t.Fatal(err)
	}
	repair = unsyncable(t, &r.top)
	if err := r.Purge([]string{"a"}, e); err == nil {
		t.Error("it was purged without a sync of W")
	}
	repair()
	if tombs, _, err := r.Tombs(); err != nil || len(tombs) != 1 {
		t.Errorf("tombstones %+v stand, %v", tombs, err)
	}
}

func TestAnAcceptanceThatFailsHalfWayLeavesNothing(t *testing.T) {
	r := open(t, t.TempDir())
	repair := unsyncable(t, &r.commands)
	spec := Spec{ID: "a", RememberUntil: time.Now(), Run: Run{Argv: []string{"true"}, Keep: 1}}
	if err := r.Accept(spec, nil, nil); err == nil || r.Remains("a") {
		t.Errorf("%v, remains: %v", err, r.Remains("a"))
	}
	repair()
	if err := r.Accept(spec, nil, nil); err != nil || !r.Remains("a") {
		t.Errorf("the next time: %v, remains: %v", err, r.Remains("a"))
	}
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0o777))
	r := open(t, t.TempDir())
	c := accept(t, r, "a")
	for name, want := range map[string]os.FileMode{scriptFile: 0o444, specFile: 0o600} {
		st, err := os.Stat(c.Path(name))
		if err != nil || st.Mode() != want {
			t.Errorf("%s has the mode %v, want %v: %v", name, st.Mode(), want, err)
		}
	}
}

func TestWhatRootWritesBelongsToWhoseTheDirectoryIs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run: only root writes for others")
		return
	}
	const nobody = 65534
	c := accept(t, open(t, t.TempDir()), "a")
	if err := os.Chown(c.Path(""), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.StopBecause("ops"), c.Decide(1, Attempt{Decided: lost}), c.End(1, lost)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stopFile, "attempt.1", "exit.1"} {
		var st unix.Stat_t
		if err := unix.Stat(c.Path(name), &st); err != nil || st.Uid != nobody || st.Gid != nobody || st.Mode&0o777 != 0o600 {
			t.Errorf("%s belongs to %d:%d with mode %o, %v: who owns the directory cannot read it", name, st.Uid, st.Gid, st.Mode, err)
		}
	}
}

// spoilt is the bytes with one changed.
func spoilt(data []byte, at int) []byte {
	changed := bytes.Clone(data)
	changed[at] ^= 0x20
	return changed
}

func TestWhoseACommandIsSurvivesADamagedSpecification(t *testing.T) {
	spec := Spec{
		ID: "a", SlotGroup: "g", Accepted: time.Unix(1, 0).UTC(), StartBy: time.Unix(2, 0).UTC(), RememberUntil: time.Unix(3, 0).UTC(),
		Context: []byte{0, 255}, Run: Run{Argv: []string{"echo", "record=\"", "x"}, Keep: 1},
	}
	head := spec
	head.Run = Run{}
	whole := spec.encode()
	for at := range whole {
		got, err := decodeSpec(spoilt(whole, at))
		switch {
		case err == nil && !reflect.DeepEqual(got, spec):
			t.Fatalf("byte %d changed: read as %+v", at, got)
		case err != nil && (!errors.Is(err, ErrDamaged) || !reflect.DeepEqual(got, head)):
			t.Fatalf("byte %d changed: %v, read as %+v", at, err, got)
		}
	}
	for at := range whole {
		got, err := decodeSpec(whole[:at]) // what to run has a sum of its own
		if err == nil && !reflect.DeepEqual(got, spec) || err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %v, read as %+v", at, err, got)
		}
	}
	if _, err := decodeSpec(append(bytes.Clone(whole), whole...)); !errors.Is(err, ErrDamaged) {
		t.Errorf("twice: %v", err)
	}
}

func TestADamagedSpecificationSetAsideStillTellsWhoseItIs(t *testing.T) {
	r := open(t, t.TempDir())
	accept(t, r, "a")
	path := filepath.Join(r.Path("a"), specFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil { // also the second head
		t.Fatal(err)
	}
	want, _ := decodeSpec(data)
	want.Run = Run{}
	for range 2 { // the second time from where it was set aside
		found, _, err := r.Scan(time.Now())
		if err != nil || len(found) != 1 || !found[0].Damaged || !reflect.DeepEqual(found[0].Spec, want) {
			t.Fatalf("found %+v, %v, want %+v", found, err, want)
		}
	}
}

func TestADamagedTombstoneKeepsItsOutcome(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	tomb := Tomb{
		ID: "a", RememberUntil: time.Unix(9, 0).UTC(), Attempt: 1, Context: []byte("why"),
		Outcome: Outcome{State: task.Refused, Exit: task.Exit{Reason: task.BadRole}},
	}
	if _, err := r.Bury(tomb); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(path, tombsDir, "a")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{spoilt(whole, 30), spoilt(whole, len(whole)-30), whole[:len(whole)*2/3], whole[10:]} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if tombs, damaged, err := r.Tombs(); err != nil || len(damaged) != 0 || len(tombs) != 1 || !reflect.DeepEqual(tombs[0], tomb) {
			t.Errorf("it is read as %+v, damaged %v, %v", tombs, damaged, err)
		}
	}
}

func TestWhatIsAcceptedCanBeReadAgain(t *testing.T) {
	r := open(t, t.TempDir())
	many := Spec{ID: "many", RememberUntil: time.Now().UTC(), Run: Run{Argv: make([]string, MaxArgs-10), Keep: 1}}
	many.Run.Argv[0] = "true"
	bytesOf := Spec{ID: "bytes", RememberUntil: time.Now().UTC(), Run: Run{Argv: []string{"echo", strings.Repeat("\xff", MaxArgs-10)}, Keep: 1}}
	for _, spec := range []Spec{many, bytesOf} {
		if err := errors.Join(spec.Check(), r.Accept(spec, nil, nil)); err != nil {
			t.Fatal(err)
		}
		c, err := r.Command(spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Spec(); err != nil || !reflect.DeepEqual(got.Run, spec.Run) {
			t.Errorf("%s is read back with %v", spec.ID, err)
		}
		c.Close()
	}
	late := Spec{ID: "late", RememberUntil: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), Run: Run{Argv: []string{"true"}, Keep: 1}}
	if err := r.Accept(late, nil, nil); err == nil || r.Remains("late") {
		t.Errorf("what cannot be read again was accepted: %v", err)
	}
	long := Spec{ID: "long", RememberUntil: time.Now(), Run: Run{Argv: []string{"true"}, Dir: strings.Repeat("x", MaxPath+1), Account: strings.Repeat("x", MaxAccount+1)}}
	if err := long.Check(); err == nil || !strings.Contains(err.Error(), "cwd") || !strings.Contains(err.Error(), "run_as") {
		t.Errorf("long texts: %v", err)
	}
}

func TestOneCommandThatCannotBeReadDoesNotHoldUpTheOthers(t *testing.T) {
	r := open(t, t.TempDir())
	accept(t, r, "good")
	for _, id := range []string{"link", "looped"} {
		accept(t, r, id)
	}
	spec := filepath.Join(r.Path("link"), specFile)
	if err := errors.Join(os.Remove(spec), os.Symlink("/nonexistent", spec)); err != nil {
		t.Fatal(err)
	}
	looped := r.Path("looped")
	if err := errors.Join(os.RemoveAll(looped), os.Symlink(looped, looped)); err != nil {
		t.Fatal(err)
	}
	found, aside, err := r.Scan(time.Now())
	if err != nil || len(found) != 2 || len(aside) != 1 {
		t.Fatalf("found %+v, set aside %v, %v", found, aside, err)
	}
	for _, f := range found {
		if f.Damaged != (f.ID == "link") {
			t.Errorf("found %+v", f)
		}
	}
}
