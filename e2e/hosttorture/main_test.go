package hosttorture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// inside says in the environment that the test runs in its own mount namespace.
const inside = "CCS_HOSTTORTURE_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	os.Exit(again())
}

// again runs this test binary in a mount namespace of its own, in which what is
// mounted concerns nobody else, and ends with it.
func again() int {
	self := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:noctx // what runs now, until it ends
	self.Env = append(os.Environ(), inside+"=1")
	self.Stdin, self.Stdout, self.Stderr = os.Stdin, os.Stdout, os.Stderr
	self.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err := self.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "cannot run in a mount namespace of its own:", err)
		return 1
	}
	return 0
}
