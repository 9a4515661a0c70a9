package scheduler

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func runsOn(fleet.HostID, job.ID) outcome { return outcome{} }

func TestAJobRunsOnAllHostsAndTheyMayForgetIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 5)
		o := r.run()
		if got := counts(r.done(o.id)); !maps.Equal(got, map[string]int{"SUCCEEDED": 5}) {
			t.Errorf("the job ended with %v", got)
		}
		for i := range 5 {
			if tk := r.world.task(hostName(i), o.id); tk.started != 1 || tk.forgotten == 0 {
				t.Errorf("host %s started it %d times and was told %d times to forget it", hostName(i), tk.started, tk.forgotten)
			}
		}
		for _, task := range r.tasks(o.id, nil) {
			content, err := r.output(o.id, task.GetResult().GetOutputs()[0].GetDigest())
			if err != nil || string(content) != "hello\n" {
				t.Errorf("host %s said %q, %v", task.GetHostId(), content, err)
			}
		}
	})
}

func TestAHostThatWasAwayGetsItsTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.world.detach(hostName(1))
		synctest.Wait()
		o := r.run()
		r.until("end of the tasks of the others", func() bool { return counts(r.job(o.id))["SUCCEEDED"] == 2 })
		late := r.tasks(o.id, func(req *accessv1.ListTasksRequest) { req.Host = string(hostName(1)) })
		if len(late) != 1 || !late[0].GetUnreachable() || late[0].GetResult().GetStatus().GetState() != typesv1.TaskState_TASK_STATE_PENDING {
			t.Errorf("the task of the host that is away is %v", late)
		}
		time.Sleep(20 * time.Minute)
		r.world.attach(hostName(1))
		if got := counts(r.done(o.id)); got["SUCCEEDED"] != 3 {
			t.Errorf("the job ended with %v", got)
		}
		if tk := r.world.task(hostName(1), o.id); tk.started != 1 || tk.forgotten == 0 {
			t.Errorf("the late host has %+v", tk)
		}
	})
}

func TestNoMoreTasksRunThanTheConcurrencyAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 5)
		r.world.does = runsOn
		o := r.order()
		o.rollout.Concurrency = job.Amount{Count: 2}
		r.submit(o)
		for i := range 5 {
			r.until("next tasks", func() bool {
				c := counts(r.job(o.id))
				return c["RUNNING"] == min(2, 5-i) && c["SUCCEEDED"] == i
			})
			r.world.finish(hostName(i), o.id, outcome{state: task.Succeeded})
		}
		r.done(o.id)
	})
}

func TestACanceledJobSkipsWhatWasNotReleasedAndStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.world.does = runsOn
		o := r.order()
		o.rollout.Concurrency = job.Amount{Count: 1}
		r.submit(o)
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		cancel := func(request string, expected uint64) (*typesv1.Job, error) {
			resp, err := r.last.api.CancelJob(t.Context(), &schedulerv1.CancelJobRequest{Caller: caller(), Request: &accessv1.CancelJobRequest{
				JobId: o.id.String(), RequestId: request, ExpectedControlRevision: expected,
			}})
			return resp.GetResponse().GetJob(), err
		}
		if _, err := cancel("request-number-001", 77); !isCode(err, "Aborted") {
			t.Errorf("a cancel by who has seen another revision: %v", err)
		}
		if _, err := cancel("short", 0); !isCode(err, "InvalidArgument") {
			t.Errorf("a cancel without a proper request id: %v", err)
		}
		first, err := cancel("request-number-002", 1)
		if err != nil || first.GetControlRevision() != 2 || counts(first)["SKIPPED"] != 2 {
			t.Errorf("cancel: %v, %v", first, err)
		}
		again, err := cancel("request-number-002", 1)
		if err != nil || again.GetControlRevision() != 2 {
			t.Errorf("the same cancel again: %v, %v", again, err)
		}
		if got := counts(r.done(o.id)); !maps.Equal(got, map[string]int{"SKIPPED": 2, "CANCELED": 1}) {
			t.Errorf("the job ended with %v", got)
		}
	})
}

func TestAHostWithANewIncarnationIsNoTargetAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.world.does = runsOn
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		r.world.detach(hostName(0))
		r.world.wipe(hostName(0))
		r.world.attach(hostName(0))
		r.until("task that is lost", func() bool { return counts(r.job(o.id))["LOST"] == 1 })
		got, err := r.last.hosts.Get(string(hostName(0)))
		if err != nil || got.Incarnation != r.world.hosts[hostName(0)].inc || !got.Attached {
			t.Errorf("the host table has %+v, %v", got, err)
		}
		r.world.finish(hostName(1), o.id, outcome{state: task.Succeeded})
		r.done(o.id)
	})
}

func TestALargeOutputIsFetchedAndWrittenWithItsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		big := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
		r.world.does = func(fleet.HostID, job.ID) outcome {
			return outcome{state: task.Failed, exit: task.Exit{Code: 3}, output: big, big: true}
		}
		r.world.fetchFaults = 2
		o := r.run()
		r.done(o.id)
		got := r.tasks(o.id, nil)[0].GetResult()
		if got.GetStatus().GetExitCode() != 3 {
			t.Errorf("the task ended with %v", got.GetStatus())
		}
		content, err := r.output(o.id, got.GetOutputs()[0].GetDigest())
		if err != nil || !bytes.Equal(content, big) {
			t.Errorf("%d bytes came back of %d, %v", len(content), len(big), err)
		}
	})
}

func TestAnOutputThatCannotBeFetchedIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = func(fleet.HostID, job.ID) outcome {
			return outcome{state: task.Succeeded, output: []byte("large, let us say"), big: true}
		}
		r.world.fetchFaults = 2 * fetchTries
		o := r.run()
		if got := counts(r.done(o.id)); got["SUCCEEDED"] != 1 || r.world.fetched <= fetchTries {
			t.Errorf("the job ended with %v after %d fetches", got, r.world.fetched)
		}
	})
}

func TestAnOutcomeThatComesAfterAllHaveStoppedWaitingIsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.world.does = func(host fleet.HostID, _ job.ID) outcome {
			if host == hostName(0) {
				return outcome{}
			}
			return outcome{state: task.Succeeded}
		}
		o := r.order()
		o.payload.Command.Timeout = time.Minute
		r.submit(o)
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		r.world.detach(hostName(0))
		time.Sleep(70 * time.Minute)
		if got := counts(r.done(o.id)); !maps.Equal(got, map[string]int{"UNKNOWN": 1, "SUCCEEDED": 1}) {
			t.Errorf("the job ended with %v", got)
		}
		r.world.finish(hostName(0), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 9}})
		r.world.attach(hostName(0))
		r.until("truth", func() bool { return counts(r.job(o.id))["FAILED"] == 1 })
		if r.world.task(hostName(0), o.id).forgotten == 0 {
			t.Error("the host may not forget what is durable")
		}
	})
}

// view reads a watch until it ends.
func view(r *rig, id job.ID, after uint64) (tasks map[string]typesv1.TaskState, complete []uint64, err error) {
	stream, err := r.last.api.WatchJob(r.Context(), &schedulerv1.WatchJobRequest{
		Caller: caller(), Request: &accessv1.WatchJobRequest{JobId: id.String(), AfterRevision: after},
	})
	if err != nil {
		return nil, nil, err
	}
	tasks = map[string]typesv1.TaskState{}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return tasks, complete, nil
		}
		if err != nil {
			return tasks, complete, err
		}
		for _, tk := range m.GetResponse().GetTasks() {
			tasks[tk.GetHostId()] = tk.GetResult().GetStatus().GetState()
		}
		complete = append(complete, m.GetResponse().GetCompleteRevision())
	}
}

func TestAWatchShowsEveryOutcomeAndEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		r.world.does = runsOn
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 4 })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			tasks, complete, err := view(r, o.id, 0)
			if err != nil || len(tasks) != 4 {
				t.Errorf("the watch has shown %v, %v", tasks, err)
			}
			if last := complete[len(complete)-1]; last != r.job(o.id).GetRevision() {
				t.Errorf("the watch is complete up to %d, the job has revision %d", last, r.job(o.id).GetRevision())
			}
		}()
		for i := range 4 {
			time.Sleep(time.Second)
			r.world.finish(hostName(i), o.id, outcome{state: task.Succeeded})
		}
		<-ended
	})
}

func TestAWatchResumesWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.world.does = runsOn
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 3 })
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.until("first outcome", func() bool { return counts(r.job(o.id))["SUCCEEDED"] == 1 })
		seen := r.job(o.id).GetRevision()
		r.world.finish(hostName(1), o.id, outcome{state: task.Succeeded})
		r.world.finish(hostName(2), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 1}})
		r.done(o.id)
		tasks, _, err := view(r, o.id, seen)
		if err != nil || len(tasks) != 2 || tasks[string(hostName(0))] != 0 {
			t.Errorf("from revision %d on the watch has shown %v, %v", seen, tasks, err)
		}
	})
}

func TestAViewerThatGoesAwayLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.run()
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := r.last.api.WatchJob(ctx, &schedulerv1.WatchJobRequest{Caller: caller(), Request: &accessv1.WatchJobRequest{JobId: o.id.String()}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.done(o.id)
		time.Sleep(5 * time.Minute)
		if err := r.last.shardOf(o.id).Peek(t.Context(), o.id, func(*job.Machine) {}); err == nil {
			t.Error("the job is still in memory")
		}
		if got := r.job(o.id); got.GetState() != typesv1.JobState_JOB_STATE_DONE || got.GetTargets() != 1 {
			t.Errorf("from the store the job is %v", got)
		}
		if got := r.tasks(o.id, nil); len(got) != 1 {
			t.Errorf("from the store its tasks are %v", got)
		}
	})
}

func TestTasksAreListedByStateHostAndPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 5)
		r.world.does = func(host fleet.HostID, _ job.ID) outcome {
			switch host {
			case hostName(1):
				return outcome{state: task.Failed, exit: task.Exit{Code: 1}}
			case hostName(3):
				return outcome{}
			}
			return outcome{state: task.Succeeded, output: []byte("ok")}
		}
		o := r.run()
		r.until("outcomes", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 && counts(r.job(o.id))["FAILED"] == 1 })
		for _, c := range []struct {
			name   string
			change func(*accessv1.ListTasksRequest)
			want   string
		}{
			{"all", nil, "h000 h001 h002 h003 h004 "},
			{"by state", func(q *accessv1.ListTasksRequest) {
				q.States = []typesv1.TaskState{typesv1.TaskState_TASK_STATE_SUCCEEDED, typesv1.TaskState_TASK_STATE_RUNNING}
			}, "h000 h002 h003 h004 "},
			{"by host", func(q *accessv1.ListTasksRequest) { q.Host = "h002" }, "h002 "},
			{"by both", func(q *accessv1.ListTasksRequest) {
				q.Host, q.States = "h002", []typesv1.TaskState{typesv1.TaskState_TASK_STATE_FAILED}
			}, ""},
		} {
			got := ""
			for _, tk := range r.tasks(o.id, c.change) {
				got += tk.GetHostId() + " "
				if tk.GetResult().GetStatus().GetState() == typesv1.TaskState_TASK_STATE_SUCCEEDED && len(tk.GetResult().GetOutputs()) != 1 {
					t.Errorf("%s: task of %s comes without its output", c.name, tk.GetHostId())
				}
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	})
}

func TestHostsAreListedWithWhereTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.world.detach(hostName(2))
		synctest.Wait()
		req := &accessv1.ListHostsRequest{PageSize: 2, Selector: "app=web"}
		var all []*typesv1.Host
		for {
			resp, err := r.last.api.ListHosts(t.Context(), &schedulerv1.ListHostsRequest{Caller: caller(), Request: req})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, resp.GetResponse().GetHosts()...)
			if req.PageToken = resp.GetResponse().GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		if len(all) != 3 || !all[0].GetAttached() || all[0].GetAggregator() != "agg-1" || all[2].GetAttached() || all[2].GetSince() == nil {
			t.Errorf("hosts are %v", all)
		}
		r.until("facts of the host", func() bool {
			got, err := r.last.api.GetHost(t.Context(), &schedulerv1.GetHostRequest{Caller: caller(), Request: &accessv1.GetHostRequest{Host: "h001"}})
			return err == nil && got.GetResponse().GetHost().GetFacts()["os"] == "debian"
		})
		_, err := r.last.api.GetHost(t.Context(), &schedulerv1.GetHostRequest{Caller: caller(), Request: &accessv1.GetHostRequest{Host: "nobody"}})
		if !isCode(err, "NotFound") {
			t.Errorf("a host that there is not: %v", err)
		}
	})
}

func TestAnySchedulerSaysWhichPoolHoldsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		o := r.run()
		resp, err := r.last.api.LocateJob(t.Context(), &schedulerv1.LocateJobRequest{JobId: o.id.String()})
		if err != nil || resp.GetPool() != "standard" {
			t.Errorf("the job is in %v, %v", resp, err)
		}
		list, err := r.last.api.ListJobs(t.Context(), &schedulerv1.ListJobsRequest{Caller: caller(), Request: &accessv1.ListJobsRequest{Submitter: "ann"}})
		if err != nil || len(list.GetResponse().GetJobs()) != 1 || list.GetResponse().GetJobs()[0].GetTargets() != 1 {
			t.Errorf("jobs are %v, %v", list, err)
		}
		damaged := r.run()
		r.store.Damage(damaged.id)
		list, err = r.last.api.ListJobs(t.Context(), &schedulerv1.ListJobsRequest{Caller: caller(), Request: &accessv1.ListJobsRequest{}})
		if err != nil || len(list.GetResponse().GetJobs()) != 1 || list.GetResponse().GetJobs()[0].GetId() != o.id.String() {
			t.Errorf("with one that cannot be decoded the jobs are %v, %v", list, err)
		}
		_, err = r.last.api.GetJob(t.Context(), &schedulerv1.GetJobRequest{Caller: caller(), Request: &accessv1.GetJobRequest{JobId: r.order().id.String()}})
		if !isCode(err, "NotFound") || wire.IsNotOwner(err) {
			t.Errorf("a job that there is not: %v", err)
		}
	})
}
