package rig

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Said is what a run of a program came to.
type Said struct {
	Out, Err string
	Status   int
}

// Ctl runs ccsctl as the demo user.
func (c *Cluster) Ctl(t *testing.T, args ...string) Said {
	t.Helper()
	return Program(t, nil, filepath.Join(c.Bin, "ccsctl"), append([]string{"--config", c.ClientConfig()}, args...)...)
}

// Program runs a program to its end, with its standard input.
func Program(t *testing.T, stdin []byte, path string, args ...string) Said {
	t.Helper()
	return program(t, nil, stdin, path, args...)
}

func program(t *testing.T, as *syscall.Credential, stdin []byte, path string, args ...string) Said {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	if as != nil {
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", path, err)
	}
	return Said{Out: out.String(), Err: errs.String(), Status: cmd.ProcessState.ExitCode()}
}
