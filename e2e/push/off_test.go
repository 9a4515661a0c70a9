package push

import (
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// heartbeat is the pace at which commands come down without push.
const heartbeat = time.Second

func TestWithPushSwitchedOffEverythingWorksAtThePaceOfHeartbeats(t *testing.T) {
	t.Parallel()
	c := rig.Start(t, devcluster.Options{
		Hosts: 2, Rooms: []string{"bj01"},
		Settings: map[string]map[string]any{"aggregator": {"push": false, "heartbeat_interval": heartbeat.String()}},
	})
	var took []time.Duration
	for range 5 {
		began := time.Now()
		ping := c.Run(t, client.Request{Command: client.Command{Ping: true}})
		rig.WantAll(t, c.Settled(t, ping.ID), 2, "SUCCEEDED")
		took = append(took, time.Since(began).Round(time.Millisecond))
	}
	t.Logf("pings took %v, with heartbeats every %v", took, heartbeat)
	if slices.Max(took) < heartbeat/10 {
		t.Errorf("no ping waited for a heartbeat: %v", took)
	}

	w, key := rig.NewWitness(t), rig.NewWitness(t)
	rolled := c.Run(t, client.Request{Command: rig.Gate(w, key, "3"), Batches: []client.Amount{{Count: 1}, {Count: 1}}, PauseAfter: []uint32{1}})
	key.Write(t, "open")
	c.AwaitPaused(t, rolled.ID, 1, 1)
	if _, err := c.SDK.Resume(t.Context(), rolled.ID, client.Resume{ToNextPoint: true}); err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, rolled.ID), 2, "FAILED status 3")

	running, never := rig.NewWitness(t), rig.NewWitness(t)
	endless := c.Run(t, client.Request{Command: rig.Gate(running, never, "0")})
	running.Await(t, 2)
	if _, err := c.SDK.Cancel(t.Context(), endless.ID, client.Cancel{}); err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, endless.ID), 2, "CANCELED killed signal 15")
	if n := len(w.Lines(t)); n != 2 {
		t.Errorf("%d commands have begun", n)
	}
}
