package access_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/metadata"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

func TestASubmissionIsTracedThroughToTheScheduler(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{}
		r.scheduler("s1", "standard", s, everyShard()...)
		id := idOn(1)
		_, err := r.submit(t.Context(), header(t, id, "standard"), rooms(1))
		must(t, err)
		synctest.Wait()
		edge := r.told.Spans("ccs.access.v1.AccessService/SubmitJob")
		passed := r.told.Spans("ccs.scheduler.v1.SchedulerService/SubmitJob")
		if len(edge) != 1 || len(passed) != 1 || len(s.traces) != 1 {
			t.Fatalf("%d spans at the edge, %d of the call to the scheduler, which heard %v", len(edge), len(passed), s.traces)
		}
		if obstest.Attribute(edge[0], obs.AttrJob) != id.String() || obstest.Attribute(edge[0], obs.AttrClass) != "standard" {
			t.Errorf("the span at the edge says %v", edge[0].Attributes)
		}
		if passed[0].Parent.SpanID() != edge[0].SpanContext.SpanID() || !strings.Contains(s.traces[0], passed[0].SpanContext.SpanID().String()) {
			t.Errorf("the scheduler was called below %s", s.traces[0])
		}
	})
}

// A user may be in a trace of his own; which requests are traced here is for this
// replica to say, and it does not go on with his.
func TestTheTraceOfAUserIsNotGoneOnWith(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		const his = "0af7651916cd43dd8448eb211c80319c"
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+his+"-b7ad6b7169203331-01")
		_, _ = r.user.GetJob(ctx, &accessv1.GetJobRequest{JobId: idOn(1).String()})
		synctest.Wait()
		for _, s := range r.told.Spans("") {
			if s.SpanContext.TraceID().String() == his {
				t.Errorf("the span %s is of the user's trace", s.Name)
			}
		}
		edge := r.told.Spans("ccs.access.v1.AccessService/GetJob")
		if len(edge) != 1 || len(edge[0].Links) != 1 || edge[0].Links[0].SpanContext.TraceID().String() != his {
			t.Errorf("the spans at the edge are %v", edge)
		}
	})
}

func TestAWatchHasNoSpan(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		watch, err := r.user.WatchJob(t.Context(), &accessv1.WatchJobRequest{JobId: idOn(0).String()})
		must(t, err)
		_, err = watch.Recv()
		must(t, err)
		_, err = watch.Recv()
		if err == nil {
			t.Error("the watch does not end")
		}
		synctest.Wait()
		for _, s := range r.told.Spans("") {
			if strings.Contains(s.Name, "WatchJob") {
				t.Errorf("there is a span %s", s.Name)
			}
		}
	})
}

func TestAReplicaCountsWhatItAnswers(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		_, err := r.submit(t.Context(), header(t, idOn(1), "standard"), rooms(1))
		must(t, err)
		if _, err = r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: "42"}); err == nil {
			t.Error("42 is an id")
		}
		synctest.Wait()
		for method, code := range map[string]string{"SubmitJob": "OK", "GetJob": "InvalidArgument"} {
			if n := r.told.Value(obs.Requests, "method="+method, "code="+code); n != 1 {
				t.Errorf("%d %s are counted with %s", n, method, code)
			}
			if n := r.told.Measured(obs.RequestDuration, "method="+method); n != 1 {
				t.Errorf("%d %s are measured", n, method)
			}
		}
	})
}
