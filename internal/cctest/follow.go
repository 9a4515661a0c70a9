package cctest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// Writes lets the command of a job on this host write to its standard output.
func (h *Host) Writes(j client.Job, content string) { h.executor.Say(j.ID, job.Stdout, content) }

// Viewer is somebody who follows an output.
type Viewer struct {
	cluster *Cluster
	leave   context.CancelFunc
	reading sync.WaitGroup

	mu    sync.Mutex // protects what follows
	got   []byte     // with zeros where there are gaps
	gaps  uint64
	waits []string
	end   *client.OutputPiece
	err   error
}

// Follow begins to follow an output.
func (c *Cluster) Follow(j client.Job, host string, q client.FollowQuery) *Viewer {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.ctx)
	v := &Viewer{cluster: c, leave: cancel}
	v.reading.Go(func() {
		for p, err := range c.client.Follow(ctx, j.ID, host, q) {
			v.take(p, err)
		}
	})
	c.t.Cleanup(v.Leave)
	return v
}

func (v *Viewer) take(p client.OutputPiece, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err != nil:
		v.err = err
	case p.End:
		v.end = &p
	case p.Waits != "":
		v.waits = append(v.waits, p.Waits)
	default:
		v.got = append(append(v.got, make([]byte, p.Gap)...), p.Content...)
		v.gaps += p.Gap
	}
}

// Leave ends the following.
func (v *Viewer) Leave() {
	v.leave()
	v.reading.Wait()
}

// Sees waits until the viewer has these bytes, and no others.
func (v *Viewer) Sees(want string) {
	v.cluster.t.Helper()
	v.until(fmt.Sprintf("the viewer sees %.60q", want), func() bool { return bytes.Equal(v.got, []byte(want)) })
}

// Waits waits until the viewer was told that it waits, and why.
func (v *Viewer) Waits(why string) {
	v.cluster.t.Helper()
	v.until("the viewer waits: "+why, func() bool { return slices.Contains(v.waits, why) })
}

// Ends waits for the end.
func (v *Viewer) Ends() client.OutputPiece {
	v.cluster.t.Helper()
	v.until("the output ends", func() bool { return v.end != nil })
	return *v.end
}

// Fails waits for the error.
func (v *Viewer) Fails() error {
	v.cluster.t.Helper()
	v.until("the following fails", func() bool { return v.err != nil })
	return v.err
}

// Gaps is how many bytes the viewer has missed.
func (v *Viewer) Gaps() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gaps
}

func (v *Viewer) until(what string, holds func() bool) {
	v.cluster.t.Helper()
	v.cluster.until(what, func() string {
		v.mu.Lock()
		defer v.mu.Unlock()
		if holds() {
			return ""
		}
		return fmt.Sprintf("it has %d bytes %.60q, waits %v, end %v, error %v", len(v.got), v.got, v.waits, v.end, v.err)
	})
}
