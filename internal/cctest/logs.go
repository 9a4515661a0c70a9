package cctest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// maxLogs is how many lines are kept.
const maxLogs = 400

// logs keeps the last lines that all processes wrote, for a test that failed.
type logs struct {
	mu     sync.Mutex // protects what follows
	lines  []string
	errors []string // lines of level ERROR
}

// Write takes one line.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= 2*maxLogs {
		l.lines = append(l.lines[:0], l.lines[maxLogs:]...)
	}
	l.lines = append(l.lines, string(line))
	if bytes.Contains(line, []byte(" level=ERROR ")) {
		l.errors = append(l.errors, string(line))
	}
	return len(line), nil
}

// alarms are the lines of level ERROR: what only a person can put right.
func (l *logs) alarms() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.errors)
}

// String is the last lines.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-maxLogs):], "")
}
