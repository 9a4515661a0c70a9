package agent_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// TestWhatTheExecutorWasLetForgetIsSaidSo: an owner that asks for it again has lost
// its outcome with a store that was restored.
func TestWhatTheExecutorWasLetForgetIsSaidSo(t *testing.T) {
	for name, ask := range map[string]func(*world, *ask, *sessionv1.Command){
		"asked for": func(w *world, _ *ask, c *sessionv1.Command) { w.aggs[0].deliver(c) },
		"asked for and stopped": func(w *world, _ *ask, c *sessionv1.Command) {
			stop := proto.CloneOf(c)
			stop.Stop = true
			w.aggs[0].deliver(stop)
		},
		"asked for and withdrawn": func(w *world, _ *ask, c *sessionv1.Command) {
			withdraw := proto.CloneOf(c)
			withdraw.Withdraw = true
			w.aggs[0].deliver(withdraw)
		},
		"asked for too late": func(w *world, job *ask, c *sessionv1.Command) {
			w.pass(time.Until(job.payload.NotAfter) + time.Second)
			w.aggs[0].deliver(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.boot()
				job := w.run("true")
				c := w.command(job)
				w.aggs[0].deliver(c)
				w.pass(time.Minute)
				w.outcome(job, task.Succeeded, task.NoReason)
				w.forget(job)
				w.aggs[0].forgetHeard()
				ask(w, job, c)
				w.pass(20 * time.Second)
				if r := w.said(job); !r.PastW || !r.Forgotten || r.Pool != "standard" || r.Class != "standard" {
					w.Errorf("it says %+v", r)
				}
				w.startedOnce(job)
				w.forget(job)
				w.aggs[0].forgetHeard()
				w.aggs[0].set(func(a *aggregator) { a.resync = true })
				w.pass(time.Minute)
				if again := w.aggs[0].heard(job.id()); len(again) > 0 {
					w.Errorf("after Forget it is said again: %+v", again)
				}
			})
		})
	}
}
