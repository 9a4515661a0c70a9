// Package rollout proves that a rollout holds whatever becomes of its owners: no
// command of a batch starts before the batch before it has ended, nothing starts
// beyond a pause point, and a resume that is said twice releases once. What was
// started when is read in a file outside CCS.
package rollout

import (
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 6

// sizes are those of the batches.
var sizes = []int{1, 2, 3}

type cluster struct{ *rig.Cluster }

func TestARolloutHoldsWhileItsOwnersAreKilled(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts})}
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	// Long enough that commands of two batches would be seen side by side.
	command := rig.Sh(w.Says("begin") + "while [ ! -s " + key.Path + " ]; do sleep 0.05; done; sleep 0.3; " + w.Says("end"))
	job := c.Run(t, client.Request{
		Command: command, Batches: []client.Amount{{Count: 1}, {Count: 2}, {Count: 3}},
		PauseAfter: []uint32{1}, PauseAfterBatches: []uint32{2},
	})

	w.Await(t, 1)
	c.killOwner(t, job) // in the middle of batch 1
	key.Write(t, "open")
	c.AwaitPaused(t, job.ID, 1, 1)
	wantLines(t, w, 1)

	c.killOwner(t, job) // at the first point
	c.AwaitPaused(t, job.ID, 1, 1)
	c.fence(t)
	wantLines(t, w, 1)

	more := client.Resume{RequestID: "resume-of-the-test-1", Targets: 2}
	c.resume(t, job, more)
	c.killOwner(t, job) // before anybody can be sure that it was heard
	c.resume(t, job, more)
	c.AwaitPaused(t, job.ID, 2, 3)
	c.resume(t, job, more)
	c.fence(t)
	wantLines(t, w, 3)
	c.AwaitPaused(t, job.ID, 2, 3)

	c.killOwner(t, job) // at the second point
	c.resume(t, job, client.Resume{ToNextPoint: true})
	rig.WantAll(t, c.Settled(t, job.ID), hosts, "SUCCEEDED")
	wantLines(t, w, hosts)
	inOrder(t, w)
}

// killOwner kills the scheduler that owns a job and starts it again when another
// one has it.
func (c cluster) killOwner(t *testing.T, job client.Job) {
	t.Helper()
	owner := c.OwnerOf(t, job.Pool, job.ID)
	c.Kill9(t, owner)
	c.AwaitOtherOwner(t, job.Pool, job.ID, owner)
	c.Restart(t, owner)
}

func (c cluster) resume(t *testing.T, job client.Job, how client.Resume) {
	t.Helper()
	if _, err := c.SDK.Resume(t.Context(), job.ID, how); err != nil {
		t.Fatal(err)
	}
}

// fence runs a job on all hosts: whatever could have been released before has
// arrived by then.
func (c cluster) fence(t *testing.T) {
	t.Helper()
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
}

// wantLines checks that so many commands have begun, and that all have ended.
func wantLines(t *testing.T, w rig.Witness, n int) {
	t.Helper()
	text := strings.Join(w.Lines(t), " ")
	if begun, ended := strings.Count(text, "begin"), strings.Count(text, "end"); begun != n || ended != n {
		t.Errorf("%d commands have begun and %d have ended, want %d: %s", begun, ended, n, text)
	}
}

// inOrder checks that the first command of each batch began when all of the
// batches before had ended.
func inOrder(t *testing.T, w rig.Witness) {
	t.Helper()
	begun, ended := 0, 0
	for _, line := range w.Lines(t) {
		if line == "end" {
			ended++
			continue
		}
		before := 0
		for _, size := range sizes {
			if begun < before+size {
				break
			}
			before += size
		}
		if begun++; ended < before {
			t.Errorf("command %d began when %d had ended, and %d are in the batches before its own: %v", begun, ended, before, w.Lines(t))
		}
	}
}
