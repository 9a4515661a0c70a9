package access_test

import (
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// getFrom wants a job to be answered for by one scheduler.
func (r *rig) getFrom(id job.ID, name string) {
	r.t.Helper()
	got, err := r.user.GetJob(r.t.Context(), &accessv1.GetJobRequest{JobId: id.String()})
	must(r.t, err)
	if got.GetJob().GetId() != jobNamed(id.String(), name) {
		r.t.Errorf("it went to %s, not to %s", got.GetJob().GetId(), name)
	}
}

// A submission may be repeated after its class was moved: its job stays where it
// was accepted.
func TestAJobThatExistedIsAskedOfThePoolThatHoldsIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{}, everyShard()...)
		r.scheduler("c1", "critical", &scheduler{pool: "standard"}, everyShard()...)
		must(t, coord.PutClass(t.Context(), r.hub, "standard", "critical"))
		synctest.Wait()
		id := idOn(1)
		_, err := r.submit(t.Context(), header(t, id, "standard"), rooms(1))
		must(t, err)
		r.getFrom(id, "s1")
	})
}

func TestACallGoesToThePoolThatASchedulerNames(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		wrong := &scheduler{}
		r.scheduler("s1", "standard", wrong, everyShard()...)
		r.scheduler("c1", "critical", &scheduler{}, everyShard()...)
		id := idOn(1)
		_, err := r.submit(t.Context(), header(t, id, "standard"), rooms(1))
		must(t, err)
		wrong.fail = func(string) error { return ownedIn("critical") }
		r.getFrom(id, "c1")
		r.getFrom(id, "c1")
		if n := wrong.count("GetJob"); n != 1 {
			t.Errorf("the wrong pool was asked %d times", n)
		}
	})
}

func TestARepeatedSubmissionGoesToThePoolThatASchedulerNames(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{submit: func(n int) error {
			if n == 2 {
				return ownedIn("critical")
			}
			return nil
		}}, everyShard()...)
		r.scheduler("c1", "critical", &scheduler{}, everyShard()...)
		id := idOn(1)
		_, err := r.submit(t.Context(), header(t, id, "standard"), rooms(1))
		wantRefusal(t, err, codes.Unavailable, "lost in the middle")
		resp, err := r.submit(t.Context(), header(t, id, "standard"), rooms(1))
		must(t, err)
		if resp.GetJob().GetId() != jobNamed("", "c1") {
			t.Errorf("%s took it", resp.GetJob().GetId())
		}
	})
}

// Two schedulers that send a call to each other do not keep it for ever.
func TestACallThatIsSentRoundAndRoundEndsInTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{fail: func(method string) error {
			if method == "LocateJob" {
				return nil
			}
			return ownedIn("critical")
		}}
		r.scheduler("s1", "standard", s, everyShard()...)
		r.scheduler("c1", "critical", &scheduler{fail: func(string) error { return ownedIn("standard") }}, everyShard()...)
		_, err := r.user.CancelJob(t.Context(), &accessv1.CancelJobRequest{JobId: idOn(0).String()})
		wantRefusal(t, err, codes.Unavailable, "no scheduler owns this part")
		if n := s.count("CancelJob"); n == 0 || n > 200 {
			t.Errorf("it was asked %d times", n)
		}
	})
}
