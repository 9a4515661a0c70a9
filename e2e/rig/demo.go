package rig

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Demo is a devcluster as a process of its own, as a person has it.
type Demo struct {
	Dir   string // of the cluster
	Home  string // a directory of the account that runs it
	bin   string
	out   string // file of what it says
	as    *syscall.Credential
	cmd   *exec.Cmd
	ended bool
}

// StartDemo starts `devcluster up` with two hosts and waits until it is up.
// With a uid other than 0 it runs as that account, which only root can ask for.
func StartDemo(t *testing.T, uid uint32) *Demo {
	t.Helper()
	base := Dir(t)
	d := &Demo{Dir: filepath.Join(base, "c"), Home: base, bin: Bin(t), out: filepath.Join(base, "out")}
	if uid != 0 {
		d.become(t, uid)
	}
	out, err := os.Create(d.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // the process has its own
	d.cmd = exec.Command(filepath.Join(d.bin, "devcluster"), "up", "--dir", d.Dir, "--hosts", "2")
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = base, out, out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: d.as}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // does nothing but in a test that failed on its way
		if !d.ended {
			_ = d.cmd.Process.Signal(unix.SIGTERM)
			_ = d.cmd.Wait()
		}
	})
	Eventually(t, func() string {
		if said := d.Said(); !strings.Contains(said, "The cluster is up") {
			return "it does not say that it is up but\n" + said
		}
		return ""
	})
	return d
}

// become prepares to run as another account, with binaries that it can read.
func (d *Demo) become(t *testing.T, uid uint32) {
	t.Helper()
	own := filepath.Join(d.Home, "bin")
	if err := os.CopyFS(own, os.DirFS(d.bin)); err != nil {
		t.Fatal(err)
	}
	d.bin, d.as = own, &syscall.Credential{Uid: uid, Gid: uid}
	if err := errors.Join(os.Chmod(own, 0o755), os.Chown(d.Home, int(uid), int(uid))); err != nil { //nolint:gosec // another account runs them
		t.Fatal(err)
	}
}

// Said is what it has said so far.
func (d *Demo) Said() string {
	raw, _ := os.ReadFile(d.out)
	return string(raw)
}

// Ctl runs ccsctl against it, as the account that runs it.
func (d *Demo) Ctl(t *testing.T, args ...string) Said {
	t.Helper()
	return program(t, d.as, nil, filepath.Join(d.bin, "ccsctl"), append([]string{"--config", filepath.Join(d.Dir, "etc", "ccsctl.yaml")}, args...)...)
}

// End sends it a signal and waits for its end; the status is -1 where the
// signal itself was that.
func (d *Demo) End(t *testing.T, sig syscall.Signal) (status int) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait() // the status is the answer
	d.ended = true
	return d.cmd.ProcessState.ExitCode()
}

// Left says what is still there of a cluster in a directory; empty: nothing.
func Left(t *testing.T, dir string) string {
	t.Helper()
	if found := Processes(t, dir); len(found) > 0 {
		return "processes are left, first " + strings.Join(found[0].Args, " ")
	}
	for _, table := range []string{"/proc/self/mountinfo", "/proc/net/unix"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), dir) {
			return table + " still names " + dir
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return "the directory is left"
	}
	return ""
}
