package cctest

import (
	"strings"
	"sync"
)

// maxLogs is how many lines are kept.
const maxLogs = 400

// logs keeps the last lines that all processes wrote, for a test that failed.
type logs struct {
	mu    sync.Mutex // protects what follows
	lines []string
}

// Write takes one line.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= 2*maxLogs {
		l.lines = append(l.lines[:0], l.lines[maxLogs:]...)
	}
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// String is the last lines.
func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-maxLogs):], "")
}
