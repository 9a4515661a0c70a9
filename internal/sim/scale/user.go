package scale

import (
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// mostResumes is how often a user resumes a job before all of its points are
// passed, and before it is canceled.
const (
	mostSteps   = 4
	mostResumes = 8
)

// owner is who serves a shard: the newest in the store.
func (w *world) owner(shard int) *tenure {
	for _, s := range w.scheds {
		if t := s.tenures[shard]; t != nil && t.epoch == w.epochs[shard] {
			return t
		}
	}
	return nil
}

// submit asks until it is answered.
func (w *world) submit(p *plan) {
	t := w.owner(p.shard)
	if t == nil {
		w.after(time.Second, func() { w.submit(p) })
		return
	}
	t.post(func() {
		t.submit(p, func() {
			if p.row == nil {
				w.violate("persist-before-send", "job %d is accepted, and not in the store", p.n)
			}
			if p.cancel > 0 {
				w.after(p.cancel, func() { w.control(p, job.Cancel{RequestID: p.request("cancel")}) })
			}
		})
	})
}

func (w *world) control(p *plan, ev job.Event) {
	if t := w.owner(p.shard); t != nil {
		t.post(func() { t.control(p, ev) })
	}
}

// attend: the job is paused, and somebody looks after it. Every request is made
// twice, as by a client that has not heard the answer.
func (w *world) attend(p *plan) {
	if p.asking {
		return
	}
	p.asking = true
	p.resumes++
	w.Pauses++
	w.after(w.span(500*time.Millisecond, 5*time.Second), func() {
		p.asking = false
		if p.resumes > mostResumes {
			w.control(p, job.Cancel{RequestID: p.request("cancel"), KeepRunning: true})
			return
		}
		ev := job.Resume{RequestID: p.request("resume"), Until: job.Until(p.resumes % 3)}
		if p.resumes > mostSteps || p.fleet && ev.Until == job.UntilNumber {
			ev.Until = job.UntilEnd
		}
		if ev.Until == job.UntilNumber {
			ev.Targets = 3
		}
		w.control(p, ev)
		w.after(200*time.Millisecond, func() { w.control(p, ev) })
	})
}

func (p *plan) request(what string) string { return fmt.Sprintf("%s-%08d-%08d", what, p.n, p.resumes) }
