// Package cgroupv2 runs the tests of cgroups on a kernel that has all of
// version 2: user-mode Linux, in some seconds. Machines with version 1, and most
// containers, cannot show that limits of version 2 hold.
package cgroupv2

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// begin is the first process of the machine. Its disk is the host's.
const begin = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 none /sys/fs/cgroup
echo "controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
mkdir "$DIR/tmp" && cd "$DIR/tmp" && TMPDIR="$DIR/tmp" timeout 150 "$DIR/cgroup.test" -test.v 2>&1
echo "status: $?"
echo o >/proc/sysrq-trigger
sleep 10
`

func TestCgroupsOfVersionTwoHoldAllLimitsOnAKernelThatHasThem(t *testing.T) {
	linux, err := exec.LookPath("linux.uml")
	if err != nil || os.Getuid() != 0 {
		t.Skip("this needs root and user-mode Linux: install Debian's user-mode-linux")
	}
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "cgroup.test"), "github.com/ccs-project/ccs/pkg/host/cgroup")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the tests: %v\n%s", err, out)
	}
	script := strings.ReplaceAll(begin, "$DIR", dir)
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	machine := exec.CommandContext(ctx, linux, "mem=768M", "rootfstype=hostfs", "rootflags=/", "rw", "init="+filepath.Join(dir, "init"),
		"uml_dir="+dir, "con=null", "con0=null,fd:1")
	out, _ := machine.CombinedOutput() // how the machine itself ends says nothing
	said := string(out)
	for _, want := range []string{
		"status: 0",
		"--- PASS: TestATreeIsHeldToItsMemoryAndItsEndIsCounted/v2", "--- PASS: TestATreeIsHeldToItsNumberOfProcesses/v2",
		"--- PASS: TestATreeIsHeldToItsShareOfTheCPU/v2", "--- PASS: TestBesideADelegatedSubgroupCommandsHaveAllLimits",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("the machine said:\n%s", said)
	}
}
