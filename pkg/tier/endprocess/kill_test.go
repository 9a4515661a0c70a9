package endprocess

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// stubborn starts a process two sessions away that ignores TERM, and says so in
// a file.
func stubborn(up string) string {
	return "setsid setsid sh -c \"trap '' TERM; echo up >>" + up + "; while :; do /bin/sleep 0.05; done\" & "
}

func (d *disk) mark(c *spool.Command) proc.Orphans {
	d.Helper()
	a, err := c.Attempt(1)
	if err != nil {
		d.Fatal(err)
	}
	return proc.Orphans{Since: a.Supervisor.Start, Mark: a.MarkEntry()}
}

func TestATimeoutKillsTheWholeTreeAlsoWhatForkedAwayTwice(t *testing.T) {
	d := newDisk(t)
	up := filepath.Join(t.TempDir(), "up")
	line := stubborn(up) + stubborn(up) + "while :; do /bin/sleep 0.05; done"
	c := d.accept(spool.Run{Argv: []string{"sh", "-c", line}, Timeout: time.Second, Grace: 300 * time.Millisecond}, nil, nil)
	if err := d.begin().Wait(); err != nil {
		t.Fatal(err)
	}
	o := d.outcome(c)
	d.want(o, task.TimedOut, task.Timeout)
	if o.Exit.Signal != int32(unix.SIGTERM) {
		t.Errorf("the leader ended by signal %d", o.Exit.Signal)
	}
	if data, _ := os.ReadFile(up); string(data) != "up\nup\n" {
		t.Errorf("the processes that were to escape: %q", data)
	}
	if left, err := d.mark(c).Living(); len(left) != 0 || err != nil {
		t.Errorf("these live on: %+v, %v", left, err)
	}
}

func TestAProcessThatIsDeafToTermIsKilledAfterTheGrace(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{
		Argv:    []string{"sh", "-c", "trap '' TERM; while :; do /bin/sleep 0.05; done"},
		Timeout: 100 * time.Millisecond, Grace: 200 * time.Millisecond,
	}, nil, nil)
	d.want(o, task.TimedOut, task.Timeout)
	if o.Exit.Signal != int32(unix.SIGKILL) {
		t.Errorf("the leader ended by signal %d", o.Exit.Signal)
	}
}

func TestAStoppedProcessIsEndedToo(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{Argv: []string{"sh", "-c", "kill -STOP $$"}, Timeout: 200 * time.Millisecond, Grace: 5 * time.Second}, nil, nil)
	d.want(o, task.TimedOut, task.Timeout)
	if o.Exit.Signal != int32(unix.SIGTERM) {
		t.Errorf("the leader ended by signal %d", o.Exit.Signal)
	}
}

func TestATimeoutThatOnlyReportsKillsNothing(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{Argv: []string{"sh", "-c", "/bin/sleep 0.3; exit 4"}, Timeout: 50 * time.Millisecond, ReportOnly: true}, nil, nil)
	d.want(o, task.Failed, task.NoReason)
	if !o.Overdue || o.Exit.Code != 4 {
		t.Errorf("the outcome is %+v", o)
	}
}

func TestASignalAloneStopsNothing(t *testing.T) {
	d := newDisk(t)
	gate := filepath.Join(t.TempDir(), "gate")
	c := d.accept(spool.Run{Argv: []string{"sh", "-c", "while [ ! -e " + gate + " ]; do /bin/sleep 0.02; done"}}, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGUSR1, unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGQUIT} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Succeeded, task.NoReason)
}

func TestAStopDuringTheLastDrainKeepsTheLeadersOwnStatus(t *testing.T) {
	d := newDisk(t)
	c := d.accept(spool.Run{Argv: []string{"sh", "-c", "sleep 300 & exit 6"}}, nil, nil)
	cmd := d.begin()
	poll(t, "the leader's end", func() bool {
		run, err := c.Started(1)
		if err != nil {
			return false
		}
		st, err := proc.ReadStat(run.Leader.PID)
		return err != nil || st.Ended()
	})
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(unix.SIGUSR1) // it may have ended
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	o := d.outcome(c)
	if o.Exit.Code != 6 || o.State != task.Failed {
		t.Errorf("the outcome is %+v", o)
	}
}

func TestZombiesOfOrphansAreWaitedForWhileTheCommandRuns(t *testing.T) {
	d := newDisk(t)
	gate := filepath.Join(t.TempDir(), "gate")
	line := "for i in 1 2 3 4 5; do (setsid true &) ; done; while [ ! -e " + gate + " ]; do read -t 1 x </dev/zero; done"
	c := d.accept(spool.Run{Argv: []string{"bash", "-c", line}}, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	poll(t, "the orphans to be gone", func() bool {
		table, err := proc.Table()
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range table {
			if st.Parent == cmd.Process.Pid && st.Ended() {
				return false
			}
		}
		return true
	})
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
