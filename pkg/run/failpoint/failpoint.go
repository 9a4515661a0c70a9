//go:build failpoint

package failpoint

import (
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
)

// file is the one that arms the points; nil: none does.
var file atomic.Pointer[string]

// Arm says which file arms the points. It is read each time that a point is
// passed, and need not be there: then nothing happens. Each of its lines is
//
//	<point> <action> <word>
//
// and the action is taken at that point for every subject that has the word
// somewhere in it.
func Arm(path string) { file.Store(&path) }

// At does what the file asks at a point for a subject. The actions are panic;
// exit, the end of the process by os.Exit; and overflow, its end because a stack
// grew too large, which nothing can recover from. Another action panics, and says
// that there is none.
func At(point string, subject func() string) {
	armed := file.Load()
	if armed == nil {
		return
	}
	text, err := os.ReadFile(*armed)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == point && strings.Contains(subject(), words[2]) {
			act(point, words[1])
		}
	}
}

func act(point, action string) {
	switch action {
	case "panic":
		panic("failpoint " + point)
	case "exit":
		os.Exit(exitStatus) //nolint:forbidigo // the end of the process is what is asked for
	case "overflow":
		debug.SetMaxStack(smallStack)
		_ = deeper(0)
	default:
		panic("failpoint " + point + ": there is no action " + action)
	}
}

// exitStatus is that of a process that a failpoint has ended.
const exitStatus = 86

// smallStack makes the end quick; by default a stack may grow to 1 GB.
const smallStack = 1 << 20

// deeper calls itself until the stack is too large.
func deeper(n int) int { return deeper(n+1) + n }
