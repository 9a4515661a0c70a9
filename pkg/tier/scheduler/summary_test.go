package scheduler

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// summary asks for the summary of a job.
func (r *rig) summary(id string) (*accessv1.SummarizeJobResponse, error) {
	r.Helper()
	resp, err := r.last.api.SummarizeJob(r.Context(), &schedulerv1.SummarizeJobRequest{
		Caller: caller(), Request: &accessv1.SummarizeJobRequest{JobId: id},
	})
	return resp.GetResponse(), err
}

func (r *rig) summarizes(id job.ID) *accessv1.SummarizeJobResponse {
	r.Helper()
	got, err := r.summary(id.String())
	if err != nil {
		r.Fatal(err)
	}
	return got
}

func hostsOf(tasks []*typesv1.Task) (out []string) {
	for _, t := range tasks {
		out = append(out, t.GetHostId())
	}
	return out
}

func TestTheOwnerSaysWhatStandsOutInAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 7)
		r.world.does = func(host fleet.HostID, _ job.ID) outcome {
			switch host {
			case hostName(0), hostName(1), hostName(2):
				return outcome{state: task.Succeeded, output: []byte("well\n")}
			case hostName(3):
				return outcome{state: task.Failed, exit: task.Exit{Code: 3}, output: []byte("ill\n")}
			}
			return outcome{} // it runs
		}
		o := r.run()
		r.until("outcomes", func() bool {
			c := counts(r.job(o.id))
			return c["SUCCEEDED"] == 3 && c["FAILED"] == 1 && c["RUNNING"] == 3
		})
		began := time.Now()
		r.world.detach(hostName(6))
		time.Sleep(10 * time.Minute)
		got := r.summarizes(o.id)
		if got.GetJob().GetId() != o.id.String() || counts(got.GetJob())["RUNNING"] != 3 {
			t.Errorf("the job is %v", got.GetJob())
		}
		if hosts := fmt.Sprint(hostsOf(got.GetSlowest())); hosts != "[h004 h005 h006]" {
			t.Errorf("the slowest are %s", hosts)
		}
		if since := got.GetSlowest()[0].GetSince().AsTime(); since.After(began) || began.Sub(since) > time.Second {
			t.Errorf("it runs since %s, and was started at %s", since, began)
		}
		if hosts := fmt.Sprint(hostsOf(got.GetSilent())); hosts != "[h006]" || got.GetSilentCount() != 1 || !got.GetSilent()[0].GetUnreachable() {
			t.Errorf("silent are %v", got.GetSilent())
		}
		if n := len(got.GetGroups()); n != 2 || got.GetGroupCount() != 2 {
			t.Fatalf("there are %d groups of %d", n, got.GetGroupCount())
		}
		well, ill := got.GetGroups()[0], got.GetGroups()[1]
		if well.GetCount() != 3 || fmt.Sprint(well.GetHosts()) != "[h000 h001 h002]" || well.GetStatus().GetState() != typesv1.TaskState_TASK_STATE_SUCCEEDED ||
			well.GetStatus().GetAttempt() != 0 || len(well.GetOutputs()) != 1 || well.GetOutputs()[0].GetSize() != 5 {
			t.Errorf("the first group is %v", well)
		}
		if ill.GetCount() != 1 || fmt.Sprint(ill.GetHosts()) != "[h003]" || ill.GetStatus().GetExitCode() != 3 {
			t.Errorf("the second group is %v", ill)
		}
	})
}

func TestAFinishedJobIsSummarizedFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		o := r.run()
		r.done(o.id)
		before := r.summarizes(o.id)
		time.Sleep(10 * time.Minute) // it is out of memory
		if after := r.summarizes(o.id); after.String() != before.String() || after.GetGroups()[0].GetCount() != 3 {
			t.Errorf("before it was\n%v, and out of memory\n%v", before, after)
		}
	})
}

func TestAJobOfSeveralPiecesIsSummarizedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 5)
		r.world.does = func(host fleet.HostID, _ job.ID) outcome {
			return outcome{state: task.Failed, exit: task.Exit{Code: int32(host[3])}}
		}
		r.last.readPiece = 2
		o := r.run()
		r.done(o.id)
		got := r.summarizes(o.id)
		if got.GetGroupCount() != 5 || len(got.GetGroups()) != 5 {
			t.Errorf("there are %d groups of %d", len(got.GetGroups()), got.GetGroupCount())
		}
	})
}

func TestWhatCannotBeSummarizedIsRefusedClearly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		_, err := r.summary("42")
		refused(t, "an id that is none", err, "InvalidArgument", "UUIDv7")
		_, err = r.summary(job.NewID(time.Now(), [10]byte{7}).String())
		refused(t, "a job that there is not", err, "NotFound")
		elsewhere := r.order()
		r.putElsewhere(elsewhere, job.ShardID{Pool: "critical", N: 1})
		_, err = r.summary(elsewhere.id.String())
		if got := ownersPool(err); got != "critical" {
			t.Errorf("of a job in another pool: %v", err)
		}
	})
}
