package job

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// TestABudgetHoldsThroughResumesTakeOversAndLateTruth is a world in which most
// goes wrong, users resume whatever pauses, owners change, and hosts that were
// wiped turn out to have done well. The disk counts, task by task, what was bad
// when a user resumed, and what was not.
//
// Rules: budget forgiven take-over late-truth
func TestABudgetHoldsThroughResumesTakeOversAndLateTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := aSpec(tolerates(rapid.Uint32Range(0, 1).Draw(t, "tolerated")), atLeisure)
		w := newWorldOf(t, spec)
		for i := range w.hosts {
			w.attach(i)
		}
		w.ready(true)
		for nth := range 60 {
			host := rapid.IntRange(0, len(w.hosts)-1).Draw(t, "host")
			h := w.hosts[host]
			switch act := rapid.SampledFrom([]string{"fail", "fail", "end well", "wiped", "take over", "resume", "resume"}).Draw(t, "act"); {
			case act == "take over":
				w.takeOver()
			case act == "resume":
				w.step(Resume{RequestID: requestID(drawnName(nth))})
			case !w.m.Task(uint32(host)).Released:
			case act == "wiped":
				w.step(Reached{h.id, inc(2)})
			case act == "end well": // it may be what was under way when the host was wiped
				w.step(Reported{Host: h.id, Incarnation: inc(1), Report: task.Report{Attempt: 1, State: task.Succeeded}})
			default:
				w.step(Reported{Host: h.id, Incarnation: inc(1), Report: task.Report{Attempt: 1, State: task.Failed}})
			}
			w.ready(true)
			if bad := w.disk.badCount(w.disk.forgiven); w.m.charged() < bad {
				t.Fatalf("%d are bad that were not forgiven, and %d are counted: %+v", bad, w.m.charged(), w.m.Row())
			}
		}
	})
}

func drawnName(nth int) string { return string([]byte{'a' + byte(nth/26), 'a' + byte(nth%26)}) }

// TestABatchPassesThoseWhoAreAwayForLongAndNobodyElse draws since when each host is
// away, and says by the words of the promise when the next batch begins.
//
// Rules: batches wait-offline
func TestABatchPassesThoseWhoAreAwayForLongAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wait := time.Duration(rapid.IntRange(1, 40).Draw(t, "wait")) * time.Second
		r := &rig{m: New(aSpec(batchesOfCount(4), atLeisure, func(s *Spec) { s.Rollout.WaitOffline = wait }), targetsOf(t, "r1: a b c d e"))}
		step := func(ev Event) {
			if err := r.m.Step(r.now, ev); err != nil {
				t.Fatal(err)
			}
			r.m.Ready()
		}
		r.now = dawn()
		step(reach("e"))
		latest, settled, unknown := time.Time{}, 0, false
		for _, host := range []string{"a", "b", "c", "d"} {
			switch rapid.SampledFrom([]string{"done", "away", "away", "never seen"}).Draw(t, host) {
			case "done":
				step(reach(host))
				step(report(host, task.Succeeded))
				settled++
			case "away":
				since := dawn().Add(time.Duration(rapid.IntRange(-60, 0).Draw(t, "since")) * time.Second)
				step(Gone{Host: reach(host).Host, Since: since})
				if since.After(latest) {
					latest = since
				}
			default:
				unknown = true
			}
		}
		for range 100 {
			passes := settled > 0 && !unknown && (latest.IsZero() || !r.now.Before(latest.Add(wait)))
			if began := r.m.Row().Batch == 1; began != passes {
				t.Fatalf("%s after dawn the next batch has begun is %v, want %v", r.now.Sub(dawn()), began, passes)
			}
			r.now = r.now.Add(time.Second)
			step(Tick{})
		}
	})
}
