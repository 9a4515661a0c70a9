//go:build planted

package sim

import (
	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// bug reports whether a bug is planted here.
func (w *world) bug(name string) bool { return w.opt.Bug == name }

// plant plants a bug in the cores; empty: none.
func plant(name string) {
	adopt.Planted, job.Planted, link.Planted, task.Planted = name, name, name, name
}
