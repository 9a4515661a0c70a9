package storetest

import (
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// Maker makes fresh data and returns a function that opens it: each call gives
// a Store of its own on the same data, as another process would have. What it
// opens is closed when the test ends, if the test has not done so.
type Maker func(t *testing.T) (open func() store.Store)

// Run runs the suite.
func Run(t *testing.T, makeData Maker) {
	t.Helper()
	runAll(t, makeData, []part{
		{"creating", creating()},
		{"owning", owning()},
		{"restoring", restoring()},
		{"listing", listing()},
		{"tasks", tasks()},
		{"outputs", outputs()},
		{"hosts", hosts()},
		{"together", together()},
		{"operating", operating()},
	})
}

// RunRetention runs the suite of what a [store.Janitor] does.
func RunRetention(t *testing.T, makeData Maker) {
	t.Helper()
	runAll(t, makeData, []part{
		{"removing", removing()},
		{"removed", removed()},
		{"sweeping", sweeping()},
		{"random", random()},
	})
}

func runAll(t *testing.T, makeData Maker, parts []part) {
	t.Helper()
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			for _, test := range part.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					open := makeData(t)
					test.run(&rig{T: t, open: open, Store: open()})
				})
			}
		})
	}
}

// test is one sentence about the store.
type test struct {
	name string
	run  func(r *rig)
}

// part is some of them.
type part struct {
	name  string
	tests []test
}
