package guard

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// Config is what both guards know of the cluster; it reaches them as JSON in
// their argument vector, so it holds no secret.
type Config struct {
	// Marker is the cluster's own random word.
	Marker string `json:"marker"`
	// Dir is removed with all that is in it when the cluster ends. Empty: none.
	Dir string `json:"dir"`
	// KeepTop: Dir itself was there before and stays, emptied.
	KeepTop bool `json:"keep_top"`
	// Keep leaves Dir as it is, for whoever looks for a fault.
	Keep bool `json:"keep"`
}

// Spec says how to start a process.
type Spec struct {
	// Name under which the front speaks of it; unique among the running.
	Name string
	// Path of the binary, Args with the name it sees first.
	Path string
	Args []string
	// Env is its whole environment; the marker is added.
	Env []string
	// Dir is its working directory.
	Dir string
	// Log is the file that its standard output and error are appended to.
	Log string
}

// Exit is how a process ended.
type Exit struct {
	PID int
	// Code is the exit status, -1 after a signal.
	Code int
	// Signal that ended it, 0 if it exited by itself.
	Signal syscall.Signal
}

// String says it in words.
func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("ended with exit status %d", e.Code)
}

// SignalRequest names a process and what to send it.
type SignalRequest struct {
	Name   string
	Signal syscall.Signal
}

// ShutdownRequest ends everything.
type ShutdownRequest struct {
	// Stages are asked to end one after the other by SIGTERM, all of a stage at once.
	Stages [][]string
	// Grace is the budget for all stages together; what is alive then is killed.
	Grace time.Duration
}

// ShutdownReply says how it went.
type ShutdownReply struct {
	// Killed are the names that did not end when asked.
	Killed []string
}

// Nothing is the reply of what has nothing to say.
type Nothing struct{}

// Files that a guard inherits, in the order of os.ProcAttr.Files after the
// three standard ones.
const (
	fdControl = 3 // RPC with the front; the inner guard's alone
	fdLife    = 4 // closes when the process above has died
	fdLock    = 5 // keeps the directory's lock held as long as a guard lives
)

func inherited(fd uintptr, name string) *os.File {
	return os.NewFile(fd, name)
}
