// Package leftovers proves that nothing of a demo cluster is left, however it
// ends: no process, socket, mount or file, also of commands that daemonise.
package leftovers

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
)

// promised is how long the demo may take with built binaries.
const promised = 20 * time.Second

func TestAfterCtrlCNothingIsLeft(t *testing.T) {
	d := rig.StartDemo(t, 0)
	daemons := daemonise(t, d)
	if status := d.End(t, unix.SIGINT); status != 0 {
		t.Errorf("it ended with status %d, want 0, and said\n%s", status, d.Said())
	}
	if what := left(t, d, daemons); what != "" {
		t.Errorf("when it ended: %s", what)
	}
}

func TestAfterKill9NothingIsLeft(t *testing.T) {
	d := rig.StartDemo(t, 0)
	daemons := daemonise(t, d)
	d.End(t, unix.SIGKILL)
	rig.Eventually(t, func() string { return left(t, d, daemons) })
}

func TestSmokeHoldsTwoAtOnceAndTwiceInARow(t *testing.T) {
	bin := rig.Bin(t)
	first, second := filepath.Join(rig.Dir(t), "c"), filepath.Join(rig.Dir(t), "c")
	var both sync.WaitGroup
	both.Go(func() { smoke(t, bin, first) })
	both.Go(func() { smoke(t, bin, second) })
	both.Wait()
	if took := smoke(t, bin, first); took > promised {
		t.Errorf("alone it took %v, and a newcomer was promised %v", took, promised)
	}
}

func smoke(t *testing.T, bin, dir string) time.Duration {
	t.Helper()
	began := time.Now()
	said := rig.Program(t, nil, filepath.Join(bin, "devcluster"), "smoke", "--dir", dir)
	if said.Status != 0 {
		t.Errorf("smoke ended with status %d and said\n%s%s", said.Status, said.Out, said.Err)
	}
	took := time.Since(began)
	t.Logf("smoke took %v", took)
	if what := rig.Left(t, dir); what != "" {
		t.Error(what)
	}
	return took
}

// daemonise runs a job whose command leaves somebody behind who has left its
// parent, its session and its environment, and hears no signal. It returns a
// word that is in their arguments.
func daemonise(t *testing.T, d *rig.Demo) string {
	t.Helper()
	pids := filepath.Join(d.Home, "pids")
	daemon := `trap "" TERM HUP INT; echo $$ >>` + pids + `; while :; do sleep 1; done`
	said := d.Ctl(t, "run", "--all", "--", "sh", "-c", "env -i setsid sh -c '"+daemon+"' </dev/null >/dev/null 2>&1 &")
	if said.Status != 0 {
		t.Fatalf("the job ended with status %d: %s%s", said.Status, said.Out, said.Err)
	}
	rig.Eventually(t, func() string {
		if raw, err := os.ReadFile(pids); err != nil || len(strings.Fields(string(raw))) < 2 {
			return "the daemons have not started"
		}
		return ""
	})
	return pids
}

func left(t *testing.T, d *rig.Demo, daemons string) string {
	t.Helper()
	if found := rig.Processes(t, daemons); len(found) > 0 {
		return "what daemonised is left"
	}
	return rig.Left(t, d.Dir)
}
