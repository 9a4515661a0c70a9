package away

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// TestAHostThatFellSilentIsUnknownUntilItsTruthComes: the user may stop waiting
// at the settle-by, and what is heard later still counts.
func TestAHostThatFellSilentIsUnknownUntilItsTruthComes(t *testing.T) {
	t.Parallel() // it mostly waits for the slack of the settle-by, 30 s
	c := rig.Start(t, devcluster.Options{Hosts: 2})
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{
		Hosts: []string{"h1"}, Command: client.Command{Argv: rig.Gate(w, key, "7").Argv, Grace: time.Second}, Deadline: 6 * time.Second,
	})
	w.Await(t, 1)
	c.AwaitState(t, j.ID, "h1", "RUNNING")
	c.Pause(t, "agent-h1")
	rig.EventuallyWithin(t, 2*rig.Patience, func() string {
		got, err := c.SDK.Job(t.Context(), j.ID)
		if err != nil {
			return err.Error()
		}
		if !got.Done() {
			return "the job is " + got.State
		}
		return ""
	})
	rig.WantAll(t, c.Tasks(t, j.ID), 1, "UNKNOWN still_running")
	key.Write(t, "open")
	rig.Eventually(t, func() string {
		if len(rig.Processes(t, j.ID)) > 0 {
			return "the command has not ended"
		}
		return ""
	})
	c.Resume(t, "agent-h1")
	c.AwaitState(t, j.ID, "h1", "FAILED")
	rig.WantAll(t, c.Tasks(t, j.ID), 1, "FAILED status 7")
}
