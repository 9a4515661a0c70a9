package benchhost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// What a command makes durable on a host, as strace shows it (TestTheFloor…):
//
//	executor     commands/          the command's new directory
//	executor     <command>/.tmp     its spec
//	executor     <command>/         the spec's name
//	end-process  <command>/.tmp     the attempt's record
//	end-process  <command>/         its name
//	end-process  <command>/.tmp     the exit record
//	end-process  <command>/         its name
//	executor     <command>/         what it has read must not go away again
const syncsOfOne = 8

// specSize is that of a spec without a script.
const specSize = 1024

// fork is fork, exec and wait of a program and nothing else.
func fork(argv ...string) error {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil && status.ExitStatus() != 0 {
		err = fmt.Errorf("%s ended with status %d", argv[0], status.ExitStatus())
	}
	return err
}

// bare is /bin/true alone.
func bare() contender {
	return contender{"bare fork, exec, wait", func(testing.TB) error { return fork("/bin/true") }}
}

// wrapped is /bin/true in the smallest wrapper, and nothing durable.
func wrapped(wrapper string) contender {
	return contender{"the smallest wrapper", func(testing.TB) error { return fork(wrapper) }}
}

// floor makes as much durable as a command does, in the same wrapper.
func floor(t *testing.T, wrapper string) contender {
	t.Helper()
	commands := filepath.Join(t.TempDir(), "commands")
	if err := os.Mkdir(commands, 0o700); err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint64
	return contender{"the floor: wrapper and fsyncs", func(testing.TB) error {
		return floorOnce(commands, strconv.FormatUint(n.Add(1), 10), wrapper)
	}}
}

func floorOnce(commands, name, wrapper string) error {
	dir := filepath.Join(commands, name)
	for _, step := range []func() error{
		func() error { return os.Mkdir(dir, 0o700) },
		func() error { return syncDir(commands) },
		func() error { return writeSpec(dir) },
		func() error { return fork(wrapper, dir) },
		func() error { return syncDir(dir) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func writeSpec(dir string) error {
	temp := filepath.Join(dir, ".tmp")
	file, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, specSize))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(temp, filepath.Join(dir, "spec"))
	}
	return errors.Join(err, syncDir(dir))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// program builds a command of this module, or takes it from CCS_BIN.
func program(t *testing.T, pkg, name string) string {
	t.Helper()
	if bin := os.Getenv("CCS_BIN"); bin != "" && name != "wrapper" {
		return filepath.Join(bin, name)
	}
	path := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/ccs-project/ccs/"+pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, out)
	}
	return path
}
