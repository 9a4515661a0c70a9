package restore

import (
	"errors"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 4

var schedulers = []string{"scheduler-standard-1", "scheduler-standard-2", "scheduler-critical-1"}

type cluster struct{ *rig.Cluster }

// work is a job on all hosts, whose commands wait for a key, and what saw them.
type work struct {
	client.Job
	seen, key rig.Witness
}

func (c cluster) begin(t *testing.T, r client.Request) work {
	t.Helper()
	w := work{seen: rig.NewWitness(t), key: rig.NewWitness(t)}
	r.Command = rig.Gate(w.seen, w.key, "0")
	w.Job = c.Run(t, r)
	return w
}

func (w work) open(t *testing.T) { t.Helper(); w.key.Write(t, "open") }

// ends opens the key of a job and waits for its end.
func (c cluster) ends(t *testing.T, w work) {
	t.Helper()
	w.open(t)
	rig.WantAll(t, c.Settled(t, w.ID), hosts, "SUCCEEDED")
}

// once checks that a job was started once on each host.
func (w work) once(t *testing.T, what string) {
	t.Helper()
	if lines := w.seen.Lines(t); len(lines) != hosts {
		t.Errorf("the job that was %s was started %d times on %d hosts", what, len(lines), hosts)
	}
}

func TestALostStoreIsRestoredFromItsBackupAndNothingRunsTwice(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { rehearse(t, onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { rehearse(t, onPostgreSQL(t)) })
}

// rehearse loses a store and restores it, while jobs run on hosts.
func rehearse(t *testing.T, k kind) {
	t.Helper()
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts, Dir: k.dir, Store: k.dsn})}
	o := operator{cluster: c, kind: k, backups: rig.Dir(t)}
	done := c.begin(t, client.Request{})
	c.ends(t, done)
	ended, runs := c.begin(t, client.Request{}), c.begin(t, client.Request{})
	paused := c.begin(t, client.Request{PauseAfter: []uint32{1}})
	paused.open(t)
	for _, w := range []work{ended, runs} {
		w.seen.Await(t, hosts)
	}
	c.awaitPaused(t, paused)
	o.backup(t)

	// After the backup: some of it ends, and there are new jobs.
	c.ends(t, ended)
	if _, err := c.SDK.Resume(t.Context(), paused.ID, client.Resume{RequestID: "resume-of-the-test-1"}); err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, paused.ID), hosts, "SUCCEEDED")
	lostDone, lostRuns := c.begin(t, client.Request{}), c.begin(t, client.Request{})
	c.ends(t, lostDone)
	lostRuns.seen.Await(t, hosts)

	c.Kill9All(t, schedulers)
	k.lose(t)
	o.restore(t)
	c.RestartAll(t, schedulers)

	// What the backup has of what was done is done, and what runs ends right.
	rig.WantAll(t, c.Settled(t, done.ID), hosts, "SUCCEEDED")
	c.ends(t, runs)
	// What ended after the backup hosts have forgotten: they do not run it again,
	// and say so, and nobody claims to know how it ended.
	c.forgotten(t, ended, hosts)
	if now, err := c.SDK.Job(t.Context(), paused.ID); err != nil || now.State != "PAUSED" || now.Counts["SUCCEEDED"] != 1 || now.Counts["PENDING"] != hosts-1 {
		t.Errorf("the job that was paused then is %s with %v (%v)", now.State, now.Counts, err)
	}
	if _, err := c.SDK.Resume(t.Context(), paused.ID, client.Resume{RequestID: "resume-of-the-test-2"}); err != nil {
		t.Error(err)
	}
	c.forgotten(t, paused, hosts-1)
	// What was accepted after the backup is not known, and somebody says so.
	lostRuns.open(t)
	for _, w := range []work{lostDone, lostRuns} {
		var unknown *client.Error
		if _, err := c.SDK.Job(t.Context(), w.ID); !errors.As(err, &unknown) || unknown.Code != client.NotFound {
			t.Errorf("of a job that came after the backup is said: %v", err)
		}
	}
	rig.Eventually(t, func() string { return c.alarm(t, lostRuns) })
	after := c.begin(t, client.Request{})
	c.ends(t, after)
	for what, w := range map[string]work{
		"done before the backup": done, "running when the store was lost": runs, "ended after the backup": ended, "resumed after the backup": paused,
		"accepted after the backup, and done": lostDone, "accepted after the backup": lostRuns, "accepted after the restore": after,
	} {
		w.once(t, what)
	}
}

// forgotten waits until a job is over, and checks that of so many of its tasks
// hosts have said no more than that they were let forget them.
func (c cluster) forgotten(t *testing.T, w work, want int) {
	t.Helper()
	lost := 0
	for host, task := range c.Settled(t, w.ID) {
		switch word := rig.Word(task); {
		case word == "LOST forgotten":
			lost++
		case word != "SUCCEEDED":
			t.Errorf("%s is %s", host, word)
		}
	}
	if lost != want {
		t.Errorf("%d tasks are forgotten, want %d", lost, want)
	}
}

// alarm looks for what the log of a scheduler must say of a job that hosts speak
// of and nobody knows.
func (c cluster) alarm(t *testing.T, w work) string {
	t.Helper()
	for _, name := range schedulers {
		for _, line := range c.Errors(t, name) {
			if strings.Contains(line, "host reports a job that is not in the store") && strings.Contains(line, w.ID) {
				return ""
			}
		}
	}
	return "no scheduler says that hosts report job " + w.ID
}

func (c cluster) awaitPaused(t *testing.T, w work) {
	t.Helper()
	rig.Eventually(t, func() string {
		j, err := c.SDK.Job(t.Context(), w.ID)
		if err != nil || j.State != "PAUSED" || j.InFlight > 0 {
			return "the job that pauses after one host is " + j.State
		}
		return ""
	})
}
