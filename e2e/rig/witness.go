package rig

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Witness is a file outside CCS in which commands leave a line: what they did
// is read there and not in what CCS says of it.
type Witness struct{ Path string }

// NewWitness makes one that any account may write to.
func NewWitness(t *testing.T) Witness {
	t.Helper()
	return NewWitnesses(t, 1)[0]
}

// NewWitnesses makes many, in one directory.
func NewWitnesses(t *testing.T, n int) (all []Witness) {
	t.Helper()
	dir := Dir(t)
	err := os.Chmod(dir, 0o755) //nolint:gosec // on purpose: commands of another account write here
	for i := range n {
		w := Witness{filepath.Join(dir, "witness"+strconv.Itoa(i+1))}
		all = append(all, w)
		err = errors.Join(err, os.WriteFile(w.Path, nil, 0o600), os.Chmod(w.Path, 0o666)) //nolint:gosec // on purpose, as above
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Says is shell text that leaves a line.
func (w Witness) Says(line string) string { return "echo " + line + " >>" + w.Path + "; " }

// Lines are what was left so far.
func (w Witness) Lines(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(raw))
}

// Await waits for a number of lines.
func (w Witness) Await(t *testing.T, n int) {
	t.Helper()
	Eventually(t, func() string {
		if lines := w.Lines(t); len(lines) < n {
			return "the witness has seen only " + strings.Join(append([]string{"this:"}, lines...), " ")
		}
		return ""
	})
}

// Write leaves a line from outside, for commands that wait for one.
func (w Witness) Write(t *testing.T, line string) {
	t.Helper()
	if err := os.WriteFile(w.Path, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Add leaves one more line from outside.
func (w Witness) Add(t *testing.T, line string) {
	t.Helper()
	f, err := os.OpenFile(w.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(line + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
