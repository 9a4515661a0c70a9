package scheduler

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// toldPool is pool with a scheduler that tells what it does.
func toldPool(t *testing.T, hosts int) (*rig, *obstest.Recorder) {
	t.Helper()
	r, told := newRig(t), obstest.New(t)
	r.startWith("s1", func(d *Deps) { d.Telemetry = told.Telemetry() })
	for i := range hosts {
		r.addHost(hostName(i))
		r.world.attach(hostName(i))
	}
	r.whole(r.last, 4)
	synctest.Wait()
	return r, told
}

func TestAJobIsOneTraceFromItsSubmissionToItsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := toldPool(t, 10)
		r.world.does = func(host fleet.HostID, _ job.ID) outcome {
			if host == hostName(0) {
				return outcome{state: task.Failed, exit: task.Exit{Code: 1}}
			}
			return outcome{state: task.Succeeded}
		}
		o := r.run()
		r.done(o.id)
		synctest.Wait()
		submits := told.Spans("ccs.scheduler.v1.SchedulerService/SubmitJob")
		if len(submits) != 1 || obstest.Attribute(submits[0], obs.AttrJob) != o.id.String() {
			t.Fatalf("the submission has %d spans: %v", len(submits), submits)
		}
		releases, outcomes := told.Spans("scheduler.release"), told.Spans("scheduler.settle")
		if len(releases) != 8 || len(outcomes) != 8 {
			t.Fatalf("%d releases and %d outcomes of 10 tasks have spans, want 8", len(releases), len(outcomes))
		}
		for i, s := range releases {
			if s.Parent.SpanID() != submits[0].SpanContext.SpanID() {
				t.Errorf("release %d is not below the submission", i)
			}
			if got := r.world.traces[uint32(i)]; !strings.Contains(got, s.SpanContext.SpanID().String()) {
				t.Errorf("release %d goes to its room below %q", i, got)
			}
		}
		failed := 0
		for _, s := range outcomes {
			if s.SpanContext.TraceID() != submits[0].SpanContext.TraceID() {
				t.Error("an outcome is of another trace")
			}
			if obstest.Attribute(s, obs.AttrOutcome) == "FAILED" && obstest.Attribute(s, obs.AttrHost) == string(hostName(0)) {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("%d outcomes say that %s failed", failed, hostName(0))
		}
	})
}

func TestWithoutTelemetryNothingIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		o := r.run()
		r.done(o.id)
		if len(r.world.traces) > 0 {
			t.Errorf("there are traces: %v", r.world.traces)
		}
	})
}

func TestASchedulerTellsWhatItHasOnItsHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := toldPool(t, 3)
		r.addHost("away")
		r.world.does = runsOn
		o := r.run()
		want := func(when string, values map[obs.Name]int64) {
			t.Helper()
			synctest.Wait()
			for name, n := range values {
				if got := told.Value(name); got != n {
					t.Errorf("%s %s is %d, want %d", when, name, got, n)
				}
			}
		}
		want("while it runs", map[obs.Name]int64{
			obs.ShardsOwned: 4, obs.HostsKnown: 4, obs.HostsAttached: 3, obs.JobsLive: 1, obs.TasksInFlight: 3, obs.TasksReleased: 3,
			obs.Registered: 1,
		})
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		want("after one task", map[obs.Name]int64{obs.JobsLive: 1, obs.TasksInFlight: 2, obs.TasksSettled: 1})
		r.end(r.last)
		want("after its end", map[obs.Name]int64{obs.ShardsOwned: 0, obs.JobsLive: 0, obs.TasksInFlight: 0, obs.Registered: 0})
		if told.Value(obs.StoreCommits, "result=ok") == 0 {
			t.Error("no commit is counted")
		}
	})
}

func TestCallsAreCountedByTheStatusThatTheCallerGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, told := toldPool(t, 1)
		o := r.run()
		r.done(o.id)
		if _, err := r.last.api.GetHost(t.Context(), &schedulerv1.GetHostRequest{}); err == nil {
			t.Error("no host is a host")
		}
		watch, err := r.last.api.WatchJob(t.Context(), &schedulerv1.WatchJobRequest{Request: &accessv1.WatchJobRequest{JobId: o.id.String()}})
		for err == nil {
			_, err = watch.Recv() // it ends with the job
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("the watch ended with %v", err)
		}
		synctest.Wait()
		for method, code := range map[string]string{"SubmitJob": "OK", "RegisterHost": "OK", "GetHost": "NotFound", "WatchJob": "OK"} {
			if n := told.Value(obs.Requests, "method="+method, "code="+code); n == 0 {
				t.Errorf("no %s is counted with %s", method, code)
			}
		}
		if n := told.Measured(obs.RequestDuration, "method=WatchJob"); n != 0 {
			t.Errorf("%d watches are measured", n)
		}
	})
}
