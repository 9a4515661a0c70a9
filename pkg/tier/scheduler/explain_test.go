package scheduler

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/wire"
)

// ask explains a task, by whoever owns its job.
func (r *rig) ask(id, host string) (*accessv1.ExplainTaskResponse, error) {
	r.Helper()
	resp, err := r.last.api.ExplainTask(r.Context(), &schedulerv1.ExplainTaskRequest{
		Caller: caller(), Request: &accessv1.ExplainTaskRequest{JobId: id, Host: host},
	})
	return resp.GetResponse(), err
}

// explains checks the codes that the task of a host gives, and returns its causes.
func (r *rig) explains(id job.ID, i int, want ...string) []*typesv1.Cause {
	r.Helper()
	got, err := r.ask(id.String(), string(hostName(i)))
	if err != nil {
		r.Fatalf("host %d: %v", i, err)
	}
	if got.GetTask().GetHostId() != string(hostName(i)) || got.GetJob().GetId() != id.String() {
		r.Errorf("asked was of %s on %s, told was of %s on %s", id, hostName(i), got.GetJob().GetId(), got.GetTask().GetHostId())
	}
	var codes []string
	for _, c := range got.GetCauses() {
		codes = append(codes, strings.ToLower(strings.TrimPrefix(c.GetCode().String(), "CAUSE_CODE_")))
	}
	if fmt.Sprint(codes) != fmt.Sprint(want) {
		r.Errorf("host %d says %v, want %v", i, codes, want)
	}
	return got.GetCauses()
}

func TestTheOwnerExplainsEveryTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 5)
		r.world.does = runsOn
		r.world.detach(hostName(4))
		left := time.Now()
		synctest.Wait()
		time.Sleep(time.Minute)
		o := r.order()
		o.rollout.Concurrency = job.Amount{Count: 2}
		r.submit(o)
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		r.world.finish(hostName(0), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 3}})
		ended := time.Now()
		r.until("outcome", func() bool { c := counts(r.job(o.id)); return c["FAILED"] == 1 && c["RUNNING"] == 2 })

		settled := r.explains(o.id, 0, "settled")[0]
		if !settled.GetSince().AsTime().Equal(ended) || !strings.Contains(settled.GetText(), "exit status 3") {
			t.Errorf("settled: %v", settled)
		}
		r.explains(o.id, 1, "running")
		waits := r.explains(o.id, 3, "concurrency")[0]
		if !strings.Contains(waits.GetText(), "2 of at most 2") || !waits.GetUntil().AsTime().Equal(o.payload.NotAfter) {
			t.Errorf("concurrency: %v", waits)
		}
		away := r.explains(o.id, 4, "concurrency", "order", "host_away")[2]
		if !away.GetSince().AsTime().Equal(left) || !strings.Contains(away.GetText(), "agg-1") {
			t.Errorf("away since %s: %v", left, away)
		}
		for _, c := range []*typesv1.Cause{settled, waits, away} {
			if c.GetText() == "" || len(c.GetText()) > wire.MaxMessageText {
				t.Errorf("the sentence of %s is %q", c.GetCode(), c.GetText())
			}
		}
	})
}

func TestAReleaseThatHasNoCreditSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		o := r.order()
		since := time.Now().Add(-time.Second)
		r.world.mu.Lock()
		r.world.loses = true // nothing reaches a host
		r.world.waiting = map[taskOf]mesh.Wait{{o.id, 0}: {Since: since, Others: 7}}
		r.world.mu.Unlock()
		r.submit(o)
		r.until("releases", func() bool { return counts(r.job(o.id))["DISPATCHED"] == 2 })
		waits := r.explains(o.id, 0, "class_queue", "not_confirmed")[0]
		if !waits.GetSince().AsTime().Equal(since) || !strings.Contains(waits.GetText(), "agg-1 takes no more releases of class standard") ||
			!strings.Contains(waits.GetText(), "7 other releases") {
			t.Errorf("it waits: %v", waits)
		}
		r.explains(o.id, 1, "not_confirmed")
	})
}

func TestAHostIsExplainedByItsAddressToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		o := r.run()
		r.done(o.id)
		got, err := r.ask(o.id.String(), "10.0.0.1")
		if err != nil || got.GetTask().GetHostId() != string(hostName(0)) || len(got.GetTask().GetResult().GetOutputs()) == 0 {
			t.Errorf("by its address: %v, %v", got, err)
		}
	})
}

func TestAFinishedJobIsExplainedFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		o := r.run()
		r.done(o.id)
		before := r.explains(o.id, 1, "settled")[0]
		time.Sleep(10 * time.Minute) // it is out of memory
		if after := r.explains(o.id, 1, "settled")[0]; after.String() != before.String() {
			t.Errorf("before it was\n%v, and out of memory\n%v", before, after)
		}
		r.end(r.all["s1"])
		r.start("s2")
		r.until("the new owner", func() bool { return r.job(o.id) != nil })
		if after := r.explains(o.id, 1, "settled")[0]; after.String() != before.String() {
			t.Errorf("before it was\n%v, and by a new owner\n%v", before, after)
		}
	})
}

func TestAnOutcomeThatNobodyHeardIsStillAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.run()
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		r.world.detach(hostName(0))
		time.Sleep(90 * time.Minute)
		r.explains(o.id, 0, "awaits_late_outcome", "stopping", "host_away")
		r.world.attach(hostName(0))
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.until("late truth", func() bool { return counts(r.job(o.id))["SUCCEEDED"] == 1 })
		r.explains(o.id, 0, "settled")
	})
}

func TestAQuarantinedJobIsExplainedWithoutBeingTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.world.does = runsOn
		r.world.detach(hostName(2))
		synctest.Wait()
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.until("outcome", func() bool { return counts(r.job(o.id))["SUCCEEDED"] == 1 })
		r.end(r.all["s1"])
		r.setAside(o.id)
		r.start("s2")
		r.until("the new owner", func() bool { return r.job(o.id) != nil })
		r.explains(o.id, 0, "settled")
		r.explains(o.id, 1, "quarantined")
		text := r.explains(o.id, 2, "quarantined")[0].GetText()
		if !strings.Contains(text, "operator") || !strings.Contains(text, "it crashed its shard on scheduler s1") {
			t.Errorf("it does not say what to do: %q", text)
		}
		_, err := r.ask(o.id.String(), "nobody")
		refused(t, "a host that is no target", err, "NotFound", "nobody", "not a target")
		r.shownAside(o.id)
		if got := r.job(o.id).GetQuarantineText(); got != "it crashed its shard on scheduler s1" {
			t.Errorf("of the job is said why: %q", got)
		}
	})
}

// shownAside lists and summarizes a job of three targets that is set aside: one
// has succeeded, one is released, and one is not.
func (r *rig) shownAside(id job.ID) {
	r.Helper()
	sum := r.summarizes(id)
	if len(sum.GetGroups()) != 1 || sum.GetGroups()[0].GetCount() != 1 || fmt.Sprint(sum.GetGroups()[0].GetHosts()) != "[h000]" ||
		sum.GetJob().GetState() != typesv1.JobState_JOB_STATE_QUARANTINED {
		r.Errorf("its summary is %v", sum)
	}
	if got := fmt.Sprint(hostsOf(sum.GetSilent()), sum.GetSilentCount()); got != "[h001] 1" {
		r.Errorf("silent are %s", got)
	}
	listed, err := r.last.api.ListTasks(r.Context(), &schedulerv1.ListTasksRequest{Caller: caller(), Request: &accessv1.ListTasksRequest{JobId: id.String()}})
	if err != nil {
		r.Fatal(err)
	}
	var states []string
	for _, t := range listed.GetResponse().GetTasks() {
		states = append(states, t.GetResult().GetStatus().GetState().String())
	}
	if got := fmt.Sprint(states); got != "[TASK_STATE_SUCCEEDED TASK_STATE_DISPATCHED TASK_STATE_PENDING]" {
		r.Errorf("its tasks are %s", got)
	}
}

// A job that cannot even be decoded has nothing that could be shown. That is said,
// whether its owner had it in memory or not.
func TestAJobThatCannotBeDecodedIsSaidToBeSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		over := r.run()
		r.done(over.id)
		r.world.does = runsOn
		live := r.run()
		r.end(r.all["s1"])
		r.store.Damage(live.id)
		r.store.Damage(over.id)
		r.start("s2")
		r.whole(r.last, 4)
		for what, id := range map[string]job.ID{"live": live.id, "done": over.id} {
			_, err := r.summary(id.String())
			refused(t, "the summary of one that is "+what, err, "FailedPrecondition", "quarantined", "cannot be read")
			_, err = r.last.api.ListTasks(t.Context(), &schedulerv1.ListTasksRequest{Caller: caller(), Request: &accessv1.ListTasksRequest{JobId: id.String()}})
			refused(t, "the tasks of one that is "+what, err, "FailedPrecondition", "quarantined", "cannot be read")
			_, err = r.ask(id.String(), "h000")
			refused(t, "why a task is where it is of one that is "+what, err, "FailedPrecondition", "quarantined", "cannot be read")
		}
	})
}

// setAside quarantines a job while nobody owns it.
func (r *rig) setAside(id job.ID) {
	r.Helper()
	rec, err := r.store.LoadJob(r.Context(), id)
	if err != nil {
		r.Fatal(err)
	}
	epoch, err := r.store.Claim(r.Context(), rec.Shard, "s9")
	if err != nil {
		r.Fatal(err)
	}
	row := rec.Row.PutAside("it crashed its shard on scheduler s1")
	results, err := r.store.Commit(r.Context(), []store.Batch{{Shard: rec.Shard, Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
		{ID: id, Persist: job.Persist{Row: &row}},
	}}})
	if err != nil || results[0].Err != nil {
		r.Fatal(err, results)
	}
}

func TestWhatCannotBeExplainedIsRefusedClearly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		o := r.run()
		r.done(o.id)
		_, err := r.ask("42", "h000")
		refused(t, "an id that is none", err, "InvalidArgument", "UUIDv7")
		_, err = r.ask(o.id.String(), "")
		refused(t, "no host", err, "InvalidArgument", "host", "address")
		_, err = r.ask(o.id.String(), "nobody")
		refused(t, "a host that is no target", err, "NotFound", "nobody", "not a target")
		_, err = r.ask(job.NewID(time.Now(), [10]byte{7}).String(), "h000")
		refused(t, "a job that there is not", err, "NotFound")

		elsewhere := r.order()
		r.putElsewhere(elsewhere, job.ShardID{Pool: "critical", N: 1})
		_, err = r.ask(elsewhere.id.String(), "h000")
		if got := ownersPool(err); got != "critical" {
			t.Errorf("of a job in another pool: %v", err)
		}
	})
}
