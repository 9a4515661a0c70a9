package cctest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// Explains waits until the task of a job on a host explains itself by these
// codes, the nearest first, and returns what it says.
func (c *Cluster) Explains(j client.Job, host string, codes ...string) client.Explanation {
	c.t.Helper()
	var found client.Explanation
	c.until(fmt.Sprintf("the explanation %v of job %s on %s", codes, j.ID, host), func() string {
		ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
		defer cancel()
		var err error
		if found, err = c.client.Explain(ctx, j.ID, host); err != nil {
			return err.Error()
		}
		var said []string
		for _, cause := range found.Causes {
			said = append(said, cause.Code)
		}
		if slices.Equal(said, codes) {
			return ""
		}
		return fmt.Sprintf("it says %v", said)
	})
	return found
}
