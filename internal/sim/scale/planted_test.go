//go:build planted

package scale

import (
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// What is counted a second time here must see what the cores do wrong.
func TestAPlantedBugIsFoundInTheFleetToo(t *testing.T) {
	defer func() { job.Planted, task.Planted = "", "" }()
	for _, bug := range []string{
		"concurrency off by one", "barrier off by one", "pause point off by one", "budget checked after release", "resume repeated",
		"barrier does not wait for what runs", "away hosts are excused at once", "pause point lost on take-over",
	} {
		job.Planted, task.Planted = bug, bug
		found := ""
		for s := uint64(1); found == "" && s <= 20; s++ {
			if r := Run(Options{Seed: s, Hosts: 200, Rooms: 4, Jobs: 60, Fleet: true, Away: 200}); len(r.Broken) > 0 {
				found = r.Broken[0]
			}
		}
		t.Logf("%s: %s", bug, found)
		if found == "" {
			t.Errorf("%q is not found", bug)
		}
	}
}
