// Package account proves that a cluster runs as an ordinary user, and its
// commands as that user.
package account

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
)

// ordinary is an account that owns nothing; root becomes it for the test.
const ordinary = 65534

func TestAnOrdinaryUserRunsAClusterAndCommandsRunAsThatUser(t *testing.T) {
	uid, as := os.Geteuid(), uint32(0)
	if uid == 0 {
		uid, as = ordinary, ordinary
	}
	d := rig.StartDemo(t, as)
	ids := filepath.Join(d.Home, "ids")
	said := d.Ctl(t, "run", "--all", "--", "sh", "-c", "id -u >"+ids+".$$; cat "+ids+".$$; test $(id -u) -eq "+strconv.Itoa(uid))
	if said.Status != 0 {
		t.Errorf("the job ended with status %d: %s%s", said.Status, said.Out, said.Err)
	}
	files, err := filepath.Glob(ids + ".*")
	if err != nil || len(files) != 2 {
		t.Errorf("%d commands have left a file (%v)", len(files), err)
	}
	for _, file := range files {
		var owner unix.Stat_t
		if err := unix.Stat(file, &owner); err != nil || int(owner.Uid) != uid {
			t.Errorf("%s is of account %d, not %d (%v)", file, owner.Uid, uid, err)
		}
	}
	for _, p := range rig.Processes(t, d.Dir) {
		var owner unix.Stat_t
		if err := unix.Stat(filepath.Join("/proc", strconv.Itoa(p.PID)), &owner); err == nil && int(owner.Uid) != uid {
			t.Errorf("process %v runs as account %d", p.Args, owner.Uid)
		}
	}
	if said := d.Ctl(t, "run", "--all", "--run-as", "root", "--", "true"); uid != 0 && said.Status == 0 {
		t.Errorf("an ordinary user's host ran a command as root: %s", said.Out)
	}
	if status := d.End(t, unix.SIGTERM); status != 0 {
		t.Errorf("it ended with status %d and said\n%s", status, d.Said())
	}
	if what := rig.Left(t, d.Dir); what != "" {
		t.Error(what)
	}
}
