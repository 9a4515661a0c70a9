package scheduler

import (
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

const (
	failed    = typesv1.TaskState_TASK_STATE_FAILED
	succeeded = typesv1.TaskState_TASK_STATE_SUCCEEDED
	unknown   = typesv1.TaskState_TASK_STATE_UNKNOWN
)

// retries is a query for what became so in a job.
func retries(id job.ID, outcomes ...typesv1.TaskState) *accessv1.TargetQuery {
	return &accessv1.TargetQuery{ParentJobId: id.String(), Outcomes: outcomes}
}

// means checks which hosts a query means.
func (r *rig) means(q *accessv1.TargetQuery, want string) []*typesv1.RoomTargets {
	r.Helper()
	rooms, resolution, err := r.resolve(q)
	var hosts []string
	for _, room := range rooms {
		for _, t := range room.GetTargets() {
			hosts = append(hosts, room.GetRoom()+"/"+t.GetHostId())
		}
	}
	if err != nil || fmt.Sprint(hosts) != want || resolution.GetCount() != uint64(len(hosts)) {
		r.Errorf("%v means %v, %v; want %s", q, hosts, err, want)
	}
	return rooms
}

// parent is a job that has succeeded on h000, failed on h001 and h002, and is
// UNKNOWN on h003.
func (r *rig) parent() *order {
	r.Helper()
	r.world.does = func(host fleet.HostID, _ job.ID) outcome {
		switch host {
		case hostName(1), hostName(2):
			return outcome{state: task.Failed, exit: task.Exit{Code: 3}}
		case hostName(3):
			return outcome{}
		}
		return outcome{state: task.Succeeded}
	}
	o := r.run()
	r.until("outcomes", func() bool { c := counts(r.job(o.id)); return c["FAILED"] == 2 && c["RUNNING"] == 1 })
	r.world.detach(hostName(3))
	<-time.After(2 * time.Hour) // of the bubble
	r.done(o.id)
	return o
}

// Rules: retry
func TestARetryIsOfWhatEndedSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		o := r.parent()
		r.means(retries(o.id), "[bj01/h001 bj01/h002]")
		r.means(retries(o.id, failed), "[bj01/h001 bj01/h002]")
		r.means(retries(o.id, unknown), "[bj01/h003]")
		r.means(retries(o.id, unknown, failed, succeeded), "[bj01/h000 bj01/h001 bj01/h002 bj01/h003]")
	})
}

func TestARetryIsOfWhatHasEndedSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.world.does = runsOn
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		_, _, err := r.resolve(retries(o.id))
		refused(t, "nothing has failed yet", err, "InvalidArgument", o.id.String(), "FAILED", "nothing to retry")
		r.world.finish(hostName(1), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 1}})
		r.until("outcome", func() bool { return counts(r.job(o.id))["FAILED"] == 1 })
		r.means(retries(o.id), "[bj01/h001]")
	})
}

func TestAnySchedulerResolvesARetryAndByTheHostsOfToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		o := r.parent()
		r.start("s2") // it owns half of the shards, or soon will
		r.world.wipe(hostName(2))
		h := r.world.hosts[hostName(2)]
		r.world.detach(hostName(2))
		r.world.attach(hostName(2))
		var rooms []*typesv1.RoomTargets
		r.until("new incarnation", func() bool {
			rooms, _, _ = r.resolve(retries(o.id, failed))
			return len(rooms) == 1 && hex.EncodeToString(rooms[0].GetTargets()[1].GetIncarnation()) == hex.EncodeToString(h.inc[:])
		})
		for _, m := range r.all {
			r.last = m
			r.means(retries(o.id), "[bj01/h001 bj01/h002]")
		}
	})
}

func TestARetryRunsAsAJobOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		o := r.parent()
		r.world.does = nil
		again := r.order()
		var err error
		if again.rooms, again.resolution, err = r.resolve(retries(o.id)); err != nil {
			t.Fatal(err)
		}
		again.payload.Parent = o.id
		again.sign(t)
		if got := r.submit(again); got.GetParentId() != o.id.String() || got.GetTargets() != 2 {
			t.Errorf("accepted was %v", got)
		}
		if c := counts(r.done(again.id)); c["SUCCEEDED"] != 2 {
			t.Errorf("it ended as %v", c)
		}
		if c := counts(r.job(o.id)); c["FAILED"] != 2 {
			t.Errorf("the parent has become %v", c)
		}
	})
}

// A host refuses a retry while the task that it names as its parent lives. A retry
// of a retry names another one, and the first may live all the same.
//
// Rules: retry
func TestARetryOfARetryIsNotForAHostOnWhichTheFirstMayStillRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		first := r.parent() // h003 runs it, and is away
		var last *order
		for parent := first.id; last == nil || last.payload.Parent == first.id; {
			again := r.order()
			var err error
			if again.rooms, again.resolution, err = r.resolve(retries(first.id, unknown)); err != nil {
				t.Fatal(err)
			}
			again.payload.Parent = parent
			again.sign(t)
			r.submit(again)
			<-time.After(2 * time.Hour) // of the bubble
			if c := counts(r.done(again.id)); c["EXPIRED"] != 1 {
				t.Fatalf("it ended as %v", c)
			}
			last, parent = again, again.id
		}
		_, _, err := r.resolve(retries(last.id))
		refused(t, "the retry of a retry", err, "InvalidArgument", "h003", first.id.String(), "has not ended")
		r.world.attach(hostName(3))
		r.until("the end of the first", func() bool { return counts(r.job(first.id))["UNKNOWN"] == 0 })
		r.means(retries(last.id), "[bj01/h003]")
	})
}

func TestARetryThatCannotBeIsRefusedClearly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.world.does = func(fleet.HostID, job.ID) outcome {
			return outcome{state: task.Failed, exit: task.Exit{Code: 1}}
		}
		o := r.run()
		r.done(o.id)
		for what, x := range map[string]struct {
			query *accessv1.TargetQuery
			code  string
			words []string
		}{
			"a parent that there is not":  {retries(job.NewID(time.Now(), [10]byte{7})), "NotFound", []string{"there is no job"}},
			"a parent that is none":       {&accessv1.TargetQuery{ParentJobId: "42"}, "InvalidArgument", []string{"UUIDv7"}},
			"outcomes of no parent":       {&accessv1.TargetQuery{All: true, Outcomes: []typesv1.TaskState{failed}}, "InvalidArgument", []string{"no job"}},
			"a parent and hosts":          {&accessv1.TargetQuery{ParentJobId: o.id.String(), Hosts: []string{"h000"}}, "InvalidArgument", []string{"leave out hosts"}},
			"a parent and a selector":     {&accessv1.TargetQuery{ParentJobId: o.id.String(), Selector: "app=web"}, "InvalidArgument", []string{"leave out hosts"}},
			"a parent and all":            {&accessv1.TargetQuery{ParentJobId: o.id.String(), All: true}, "InvalidArgument", []string{"leave out hosts"}},
			"a state that is no outcome":  {retries(o.id, typesv1.TaskState_TASK_STATE_RUNNING), "InvalidArgument", []string{"RUNNING is no outcome"}},
			"a state that nobody knows":   {retries(o.id, 4711), "InvalidArgument", []string{"no outcome"}},
			"an outcome that nothing has": {retries(o.id, succeeded), "InvalidArgument", []string{"SUCCEEDED", "nothing to retry"}},
		} {
			_, _, err := r.resolve(x.query)
			refused(t, what, err, x.code, x.words...)
		}
	})
}
