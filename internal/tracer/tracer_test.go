package tracer_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/tracer"
)

// trace runs a shell line under the tracer in a new directory.
func trace(t *testing.T, from, to int, line string, each func(tracer.Change)) (dir string, told []string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	err = tracer.Trace(tracer.Program{
		Path: "/bin/sh", Args: []string{"sh", "-c", "cd " + dir + "; " + line}, Env: os.Environ(), Logs: logs, Dir: dir, From: from, To: to,
		Begun: func(int) {},
		Each: func(c tracer.Change) {
			told = append(told, strconv.Itoa(c.Depth)+" "+c.Op+" "+c.Path+" "+c.To)
			each(c)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, told
}

func TestEveryChangeIsToldInOrderAndWithWhoMadeIt(t *testing.T) {
	_, told := trace(t, 0, 1, "echo a >a; (echo b >b); echo c >a; : >/dev/null", func(tracer.Change) {})
	want := []string{
		"0 create a ", "0 write a ", "0 start  ", "1 create b ", "1 write b ", "1 exit  ", "0 create a ", "0 write a ",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told were %q, want %q", told, want)
	}
}

func TestWhoIsKilledAtAChangeMakesNoOther(t *testing.T) {
	dir, told := trace(t, 1, 1, "(echo b >b; echo c >c); echo a >a", func(c tracer.Change) {
		if c.Path == "b" && c.Op == "write" {
			if err := unix.Kill(c.PID, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	})
	for name, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
	if want := []string{"0 start  ", "1 create b ", "1 write b ", "1 exit  "}; !slices.Equal(told, want) {
		t.Errorf("told were %q, want %q", told, want)
	}
}

func TestWhatIsDeeperGoesOnByItself(t *testing.T) {
	dir, told := trace(t, 0, 0, "(echo b >b); echo a >a", func(tracer.Change) {})
	if want := []string{"0 start  ", "0 create a ", "0 write a "}; !slices.Equal(told, want) {
		t.Errorf("told were %q, want %q", told, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "b")); err != nil {
		t.Error(err)
	}
}
