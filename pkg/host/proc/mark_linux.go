package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// How long a process may be within execve(2) while its environment is looked
// at: then it has none, and is asked again.
const (
	execLooks = 500
	execPause = time.Millisecond
)

var errExec = errors.New("cannot tell whose a process is: it has been within execve(2) for too long")

// carries reports whether the process was given the mark. One that has ended,
// or whose environment the caller may not see, carries none.
func carries(st Stat, mark string) (bool, error) {
	if mark == "" {
		return false, nil
	}
	for range execLooks {
		env, err := environ(st)
		switch {
		case absent(err) || errors.Is(err, os.ErrPermission):
			return false, nil
		case err != nil:
			return false, err
		case len(env) > 0:
			return holds(env, mark), nil
		}
		// It was given nothing, or has just become another program and the
		// kernel has not laid out its environment yet.
		now, err := ReadStat(st.PID)
		switch {
		case errors.Is(err, ErrGone):
			return false, nil
		case err != nil:
			return false, err
		case now.Start != st.Start || now.Ended():
			return false, nil
		case now.State == st.State && st.State == 'Z', !now.bare && !st.bare:
			return false, nil // given nothing
		}
		st = now // look again, and once more after the kernel is done
		time.Sleep(execPause)
	}
	return false, errExec
}

// Carrier is a process that was given a variable.
type Carrier struct {
	Stat

	Value string
}

// Carriers finds the living processes that were given the variable. Those that
// are within execve(2) are left out.
func Carriers(name string) ([]Carrier, error) {
	table, err := Table()
	if err != nil {
		return nil, err
	}
	var found []Carrier
	for _, st := range table {
		if st.Ended() {
			continue
		}
		env, err := environ(st)
		switch {
		case absent(err) || errors.Is(err, os.ErrPermission):
			continue
		case err != nil:
			return nil, err
		}
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
				found = append(found, Carrier{st, string(value)})
			}
		}
	}
	return found, nil
}

func absent(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// environ reads what the process was given. If its first thread has ended, the
// others still have it.
func environ(st Stat) ([]byte, error) {
	dir := "/proc/" + strconv.Itoa(st.PID)
	if st.State != 'Z' {
		return os.ReadFile(dir + "/environ") //nolint:gosec // below /proc, made of a number
	}
	threads, err := os.ReadDir(dir + "/task")
	if err != nil {
		return nil, err
	}
	for _, t := range threads {
		env, err := os.ReadFile(dir + "/task/" + t.Name() + "/environ") //nolint:gosec // below /proc
		if err != nil && !absent(err) || len(env) > 0 {
			return env, err
		}
	}
	return nil, nil
}

func holds(env []byte, entry string) bool {
	for have := range bytes.SplitSeq(env, []byte{0}) {
		if string(have) == entry {
			return true
		}
	}
	return false
}
