package rollout

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// Exit statuses of ccsctl.
const (
	done     = 0
	wrong    = 2 // a request that cannot be
	detached = 3 // on a pause
)

// A person with nothing but ccsctl brings a job of three batches over its two pause
// points, and one of their own, while whoever owns it is killed after each step.
// Each command draws a number, tells it to the witness as it begins and as it ends,
// and prints it: so what CCS shows of a host is held against what happened there.
func TestARolloutIsOperatedByHandWhileItsOwnersAreKilled(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts})}
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	key.Write(t, "open")
	script := "read n </proc/sys/kernel/random/uuid; echo begin-$n >>" + w.Path + "; echo $n; while [ ! -s " + key.Path + " ]; do sleep 0.05; done; echo end-$n >>" + w.Path

	said := c.ctl(t, done, "run", "--all", "--batch", "1,2,3", "--pause-after", "1", "--pause-after-batch", "2", "--detach", "--", "sh", "-c", script)
	wantSaid(t, said.Err, "Plan: 6 hosts in 3 batches of 1, 2 and 3; pauses after 1 host and after batch 2")
	op := operation{cluster: c, witness: w, job: c.jobOf(t, strings.TrimSpace(said.Out))}
	op.killOwner(t, op.job)

	op.watch(t, "at a pause point, after 1 host", 1)
	wantSaid(t, c.ctl(t, done, "explain", op.job.ID, "h2").Out, "pause_point: The job is paused", "after 1 target:")
	op.killOwner(t, op.job)

	next := []string{"--next", "--expect-revision", op.revision(t), "--request-id", "a-request-of-the-test"}
	op.resume(t, done, next...)
	op.killOwner(t, op.job) // before anybody can be sure that it was heard
	op.resume(t, done, next...)
	op.watch(t, "at a pause point, after batch 2", 3)
	op.resume(t, done, next...)
	wantSaid(t, op.resume(t, wrong, "--by", "1", "--expect-revision", "1").Err, "has changed since it was read", "Now it is PAUSED at a pause point, after batch 2")
	op.holds(t, 3)

	op.shut(t, key)
	op.resume(t, done, "--by", "1")
	w.Await(t, 7) // three have begun and ended, and one has begun
	op.killOwner(t, op.job)
	wantSaid(t, c.ctl(t, done, "job", "pause", op.job.ID).Err, "Paused by a user")
	key.Write(t, "open")
	op.killOwner(t, op.job)
	w.Await(t, 8) // what was at work has ended, and nothing else began
	op.watch(t, "by a user", 4)

	op.resume(t, done, "--to-end")
	wantSaid(t, c.ctl(t, done, "job", "watch", op.job.ID).Err, "6 hosts: 6 SUCCEEDED")
	wantSaid(t, op.resume(t, wrong).Err, "the job is not paused")
	op.judge(t)
}

// ctl runs ccsctl and checks its exit status.
func (c cluster) ctl(t *testing.T, status int, args ...string) rig.Said {
	t.Helper()
	said := c.Ctl(t, args...)
	if said.Status != status {
		t.Fatalf("ccsctl %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), said.Status, status, said.Out, said.Err)
	}
	return said
}

func wantSaid(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not said:\n%s", w, text)
		}
	}
}

// jobOf is what ccsctl says of a job, as far as the test needs it.
func (c cluster) jobOf(t *testing.T, id string) client.Job {
	t.Helper()
	var j struct {
		ID, Pool        string
		ControlRevision uint64 `json:"control_revision"`
	}
	if err := json.Unmarshal([]byte(c.ctl(t, done, "job", "get", id, "-o", "json").Out), &j); err != nil {
		t.Fatal(err)
	}
	return client.Job{ID: j.ID, Pool: j.Pool, ControlRevision: j.ControlRevision}
}

// operation is a job that somebody operates.
type operation struct {
	cluster
	witness rig.Witness
	job     client.Job
}

// revision is the control revision as a person reads it.
func (o operation) revision(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(o.jobOf(t, o.job.ID).ControlRevision)
}

func (o operation) resume(t *testing.T, status int, how ...string) rig.Said {
	t.Helper()
	return o.ctl(t, status, slices.Concat([]string{"job", "resume", o.job.ID}, how)...)
}

// watch follows the job to its pause, and checks where that is and what has run.
func (o operation) watch(t *testing.T, where string, n int) {
	t.Helper()
	said := o.ctl(t, detached, "job", "watch", o.job.ID, "--detach-on-pause")
	wantSaid(t, said.Err, "is paused "+where, "ccsctl job resume "+o.job.ID+" --expect-revision "+o.revision(t))
	wantLines(t, o.witness, n)
}

// holds checks that n commands have run, and that no more is under way.
func (o operation) holds(t *testing.T, n int) {
	t.Helper()
	o.ctl(t, done, "run", "--all", "--", "true") // what was released before has arrived by then
	wantLines(t, o.witness, n)
}

// shut lets commands wait from now on.
func (o operation) shut(t *testing.T, key rig.Witness) {
	t.Helper()
	if err := os.Truncate(key.Path, 0); err != nil {
		t.Fatal(err)
	}
}

// judge holds what ccsctl shows of each host against the witness: every number that
// was drawn began once, ended once, and is what one host has printed; and no batch
// began before the one before had ended.
func (o operation) judge(t *testing.T) {
	t.Helper()
	var shown struct {
		Tasks []struct {
			Host, State, Stdout string
			Attempt             int
		}
	}
	if err := json.Unmarshal([]byte(o.ctl(t, done, "job", "watch", o.job.ID, "-o", "json").Out), &shown); err != nil {
		t.Fatal(err)
	}
	seen := o.witness.Lines(t)
	if len(shown.Tasks) != hosts || len(seen) != 2*hosts {
		t.Errorf("%d hosts are shown, and the witness has seen %v", len(shown.Tasks), seen)
	}
	place := map[string]int{}
	for i, line := range seen {
		if _, twice := place[line]; twice {
			t.Errorf("%s happened twice", line)
		}
		place[line] = i
	}
	ended := -1 // the last command of the batches before
	for first, batch := 0, 0; batch < len(sizes); first, batch = first+sizes[batch], batch+1 {
		last := ended
		for _, task := range shown.Tasks[first : first+sizes[batch]] {
			number := strings.TrimSpace(task.Stdout)
			begin, began := place["begin-"+number]
			end, has := place["end-"+number]
			if !began || !has || task.State != "SUCCEEDED" || task.Attempt != 1 || begin < ended {
				t.Errorf("batch %d: %+v began as line %d and ended as line %d of %v", batch+1, task, begin, end, seen)
			}
			last = max(last, end)
		}
		ended = last
	}
}
