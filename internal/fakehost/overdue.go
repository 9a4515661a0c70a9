package fakehost

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// showOverdue says of a command that it is overdue if it still runs after a time.
// The caller holds mu.
func (h *Host) showOverdue(c *command, after time.Duration) {
	begun := c.Report
	time.AfterFunc(after, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.commands[c.ID] == c && c.Report == begun && begun.State == task.Running {
			c.Detail.Overdue = true
			h.changed(c)
		}
	})
}
