package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

var someTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestAFreezeIsReadAsItWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by it")
	if _, err := Frozen(dir); !errors.Is(err, ErrMissing) {
		t.Fatalf("before it is frozen: %v", err)
	}
	want := Freeze{By: "ops", Since: someTime, Until: someTime.Add(time.Hour), Why: "disk\n\"sda\""}
	for range 2 { // the second in place of the first
		if err := SetFreeze(dir, want); err != nil {
			t.Fatal(err)
		}
		if got, err := Frozen(dir); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
		want.Why = "longer"
	}
	if st, err := os.Stat(filepath.Join(dir, "freeze")); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("others should be able to read it: %v, %v", st.Mode(), err)
	}
	if err := Thaw(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Frozen(dir); !errors.Is(err, ErrMissing) {
		t.Errorf("after the thaw: %v", err)
	}
	if err := Thaw(dir); !errors.Is(err, ErrMissing) {
		t.Errorf("a second thaw: %v", err)
	}
}

func TestAFreezeEndsAtItsTimeAndOneWithoutNever(t *testing.T) {
	f := Freeze{Since: someTime, Until: someTime.Add(time.Hour)}
	if f.Over(someTime.Add(time.Hour-1)) || !f.Over(someTime.Add(time.Hour)) {
		t.Error("it does not end at its time")
	}
	if (Freeze{Since: someTime}).Over(someTime.Add(1 << 60)) {
		t.Error("one without an end has ended")
	}
}

func TestAFreezeThatCannotBeReadIsAFreeze(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"damaged":     func(path string) error { return os.WriteFile(path, []byte("record=\"freeze/1\"\n"), 0o600) },
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":      func(path string) error { return os.Symlink("/nowhere", path) },
	} {
		dir := t.TempDir()
		if err := spoil(filepath.Join(dir, "freeze")); err != nil {
			t.Fatal(err)
		}
		if _, err := Frozen(dir); err == nil || errors.Is(err, ErrMissing) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHostWithAFullDiskCanBeFrozen(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run: only root can mount the small disk that is filled here")
		return
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := SetFreeze(dir, Freeze{By: "ops", Since: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := Frozen(dir); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("the host is not frozen: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := SetFreeze(dir, Freeze{By: "ops", Since: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if f, err := Frozen(dir); err != nil || f.By != "ops" {
		t.Errorf("with room again the word is %+v, %v", f, err)
	}
}

func TestWordsOfAnyLengthAndKindFreeze(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		f := Freeze{By: rapid.String().Draw(rt, "by"), Since: someTime, Why: strings.Repeat(rapid.String().Draw(rt, "why"), 200)}
		if err := SetFreeze(dir, f); err != nil {
			rt.Fatal(err)
		}
		if got, err := Frozen(dir); err != nil || !strings.HasPrefix(f.Why, got.Why) || len(got.Why) > 1<<10 {
			rt.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestTheFirstWordsOfAWishStayAndStandInTheOutcome(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	if c.Because() != "" || c.Stopped() {
		t.Error("there is a wish before there is one")
	}
	for _, words := range []string{"killed by ops", "killed by another"} {
		if err := c.StopBecause(words); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Stop(); err != nil || !c.Stopped() || c.Because() != "killed by ops" {
		t.Errorf("%v, stopped %v because %q", err, c.Stopped(), c.Because())
	}
	for _, o := range []struct {
		in   Outcome
		want string
	}{
		{Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}}, "killed by ops"},
		{Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}, "killed by ops"},
		{Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}, Message: "it lives on"}, "killed by ops; it lives on"},
		{Outcome{State: task.Succeeded}, ""},
		{lost, ""},
	} {
		if got := c.Explain(o.in); got.Message != o.want {
			t.Errorf("%v %v says %q, want %q", o.in.State, o.in.Exit, got.Message, o.want)
		}
	}
}

func TestADamagedWishIsAWishWithoutWords(t *testing.T) {
	c := accept(t, open(t, t.TempDir()), "a")
	if err := os.WriteFile(c.Path("stop"), []byte("stop"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.Stopped() || c.Because() != "" {
		t.Errorf("stopped %v because %q", c.Stopped(), c.Because())
	}
}

func TestAViewSeesWhatTheExecutorHasAndChangesNothing(t *testing.T) {
	path := t.TempDir()
	if _, err := Look(filepath.Join(path, "none")); !errors.Is(err, ErrMissing) {
		t.Fatalf("of no directory: %v", err)
	}
	r := open(t, path)
	accept(t, r, "a")
	if err := os.WriteFile(accept(t, r, "b").Path("spec"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Bury(Tomb{ID: "c", RememberUntil: someTime, Attempt: 1, Outcome: Outcome{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}}}); err != nil {
		t.Fatal(err)
	}
	must(t, r.MarkReleased("d", someTime))
	must(t, os.WriteFile(filepath.Join(path, "tombs", "e"), []byte("torn"), 0o600))
	must(t, os.WriteFile(filepath.Join(path, "tombs", ".tmp.1.1"), nil, 0o600)) // an executor writes it just now
	must(t, os.Mkdir(filepath.Join(path, "damaged", "x.1"), 0o700))
	must(t, r.RaiseWatermark(someTime))
	before := names(t, path)

	v, err := Look(path)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	ids, err := v.IDs()
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("commands %v, %v", ids, err)
	}
	if id, err := v.Incarnation(); err != nil || id != r.Incarnation() {
		t.Errorf("incarnation %x, %v", id, err)
	}
	if w, err := v.Watermark(); err != nil || !w.Equal(someTime) {
		t.Errorf("W is %v, %v", w, err)
	}
	tombs, damaged, err := v.Tombs()
	if err != nil || len(tombs) != 2 || !slices.Equal(damaged, []string{"e"}) {
		t.Errorf("tombs %+v, damaged %v, %v", tombs, damaged, err)
	}
	if aside, err := v.Aside(); err != nil || !slices.Equal(aside, []string{"x.1"}) {
		t.Errorf("aside %v, %v", aside, err)
	}
	b, err := v.Command("b")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if s, damaged, err := b.Found(); err != nil || !damaged || s.ID != "b" {
		t.Errorf("the torn one: %+v %v %v", s, damaged, err)
	}
	for _, id := range []string{"nobody", "../a", ""} {
		if _, err := v.Command(id); !errors.Is(err, ErrMissing) {
			t.Errorf("command %q: %v", id, err)
		}
		if _, err := v.Tomb(id); !errors.Is(err, ErrMissing) {
			t.Errorf("tombstone %q: %v", id, err)
		}
	}
	if after := names(t, path); !slices.Equal(before, after) {
		t.Errorf("looking has changed\n%v\nto\n%v", before, after)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names are all paths below a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

func TestASpecThatWasSetAsideIsStillTold(t *testing.T) {
	r := open(t, t.TempDir())
	c := accept(t, r, "a")
	data, err := os.ReadFile(c.Path("spec"))
	must(t, err)
	must(t, os.WriteFile(c.Path("spec"), bytes.Replace(data, []byte("interpreter"), []byte("interpretex"), 1), 0o600))
	if _, _, err := r.Scan(someTime); err != nil {
		t.Fatal(err)
	}
	s, damaged, err := c.Found()
	if err != nil || !damaged || s.RememberUntil.IsZero() || len(s.Run.Interpreter) > 0 {
		t.Errorf("%+v %v %v", s, damaged, err)
	}
}

func TestALockSaysWhoHoldsItAndIsNotTaken(t *testing.T) {
	path := t.TempDir()
	if _, held, err := HeldBy(filepath.Join(path, "none")); held || err != nil {
		t.Errorf("of no directory: %v, %v", held, err)
	}
	r, err := Open(path)
	must(t, err)
	if pid, held, err := HeldBy(path); pid != os.Getpid() || !held || err != nil {
		t.Errorf("pid %d, held %v, %v", pid, held, err)
	}
	r.Close()
	if _, held, err := HeldBy(path); held || err != nil {
		t.Errorf("after it was given back: %v, %v", held, err)
	}
	open(t, path) // whoever asked has left nothing behind
}

func TestAReleaseIsOfOneProcessAndGoesWithIt(t *testing.T) {
	path := t.TempDir()
	r := open(t, path)
	bell, err := r.OpenBell()
	must(t, err)
	defer func() { _ = bell.Close() }()
	v, err := Look(path)
	must(t, err)
	defer v.Close()
	want := Release{Process: proc.Identity{Boot: "b", PID: 7, Start: 99}, At: someTime, Why: "a backup"}
	for range 2 {
		must(t, v.Release(want))
	}
	must(t, os.WriteFile(filepath.Join(path, "released.8.1"), []byte("torn"), 0o600))
	for _, read := range []func() ([]Release, error){r.Released, v.Released} {
		if got, err := read(); err != nil || !slices.Equal(got, []Release{want}) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	line := make([]byte, 64)
	if n, err := bell.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), ReleaseRing+"\n") {
		t.Errorf("the bell says %q, %v", line[:n], err)
	}
	if CheckID(ReleaseRing) == nil {
		t.Error("a command can be called as the ring is")
	}
	for range 2 {
		must(t, r.DropRelease(want))
	}
	if got, err := r.Released(); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestForeignIsWhatHasTheSamePlaceAndIsOfAnotherIncarnation(t *testing.T) {
	mine, other := [16]byte{1}, [16]byte{2}
	if got := Owner(mine, "/a"); got != "01000000000000000000000000000000@/a" {
		t.Errorf("%q: end-processes of a version before would be foreign", got)
	}
	for value, want := range map[string]bool{
		Owner(mine, "/a"): false, Owner(other, "/a"): true, Owner(other, "/b"): false, Owner(other, "/x/a"): false, "": false,
	} {
		if Foreign(value, mine, "/a") != want {
			t.Errorf("%q is foreign: %v", value, !want)
		}
	}
}

func TestTheWordOfASessionIsReadAsItWasWritten(t *testing.T) {
	want := Link{Aggregator: "agg1", Address: "10.1.1.1:7421", Since: someTime, Heard: someTime, ServerTime: someTime, Version: "v1 \"x\""}
	if got, err := DecodeLink(want.Encode()); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeLink((Link{}).Encode()); err != nil || got != (Link{}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeLink([]byte("aggregator=\"agg1\"\n")); !errors.Is(err, ErrDamaged) {
		t.Errorf("of something else: %v", err)
	}
}
