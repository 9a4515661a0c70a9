package client_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAPauseIsRepeatedUnderOneRequestID(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["PauseJob"] = []error{unavailable(), unavailable()}
		j, err := r.Pause(t.Context(), "j", client.Pause{ExpectedControlRevision: 4})
		must(t, err)
		if len(r.access.pauses) != 3 || j.State != "PAUSED" || j.PauseCause != "user" {
			t.Fatalf("it was asked %d times: %+v", len(r.access.pauses), j)
		}
		for _, p := range r.access.pauses {
			if p.GetRequestId() != r.access.pauses[0].GetRequestId() || len(p.GetRequestId()) < 16 || p.GetExpectedControlRevision() != 4 {
				t.Errorf("asked %v", p)
			}
		}
	})
}

func TestAResumeSaysHowFarAndIsRepeatedUnderOneRequestID(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for _, x := range []struct {
			how   client.Resume
			until typesv1.ResumeUntil
		}{
			{client.Resume{}, typesv1.ResumeUntil_RESUME_UNTIL_END},
			{client.Resume{ToNextPoint: true}, typesv1.ResumeUntil_RESUME_UNTIL_NEXT},
			{client.Resume{Targets: 10, RequestID: "resume-of-the-test-1", ExpectedControlRevision: 7}, typesv1.ResumeUntil_RESUME_UNTIL_NUMBER},
		} {
			r.access.resumes = nil
			r.access.answers["ResumeJob"] = []error{unavailable()}
			_, err := r.Resume(t.Context(), "j", x.how)
			must(t, err)
			if len(r.access.resumes) != 2 {
				t.Fatalf("%+v: it was asked %d times", x.how, len(r.access.resumes))
			}
			first, again := r.access.resumes[0], r.access.resumes[1]
			if first.GetRequestId() != again.GetRequestId() || len(first.GetRequestId()) < 16 {
				t.Errorf("%+v: the request ids are %q and %q", x.how, first.GetRequestId(), again.GetRequestId())
			}
			if first.GetUntil() != x.until || first.GetTargets() != x.how.Targets || first.GetExpectedControlRevision() != x.how.ExpectedControlRevision {
				t.Errorf("%+v: asked %v", x.how, first)
			}
			if id := x.how.RequestID; id != "" && first.GetRequestId() != id {
				t.Errorf("the caller's own id became %q", first.GetRequestId())
			}
		}
	})
}

func TestAResumeThatCannotBeAsksNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		_, err := r.Resume(r.t.Context(), "j", client.Resume{ToNextPoint: true, Targets: 3})
		wantError(r.t, err, client.Invalid, "one of the two")
		if len(r.access.resumes) != 0 {
			r.t.Error("the servers were asked")
		}
	})
}

func TestARefusalToControlSaysWhyByItsCode(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["ResumeJob"] = []error{wire.StatusError(job.ErrNotPaused), wire.StatusError(job.ErrControlRevision), wire.StatusError(job.ErrRequestReused)}
		_, err := r.Resume(t.Context(), "j", client.Resume{})
		wantError(t, err, client.WrongState, "not paused")
		_, err = r.Resume(t.Context(), "j", client.Resume{})
		wantError(t, err, client.Conflict, "has changed")
		_, err = r.Resume(t.Context(), "j", client.Resume{})
		wantError(t, err, client.Conflict, "make a new one")
		r.access.answers["PauseJob"] = []error{status.Error(codes.NotFound, "no such job"), wire.StatusError(job.ErrTooManyControls)}
		_, err = r.Pause(t.Context(), "j", client.Pause{})
		wantError(t, err, client.NotFound, "no such job")
		_, err = r.Pause(t.Context(), "j", client.Pause{})
		wantError(t, err, client.TooMuch, "10,000")
	})
}
