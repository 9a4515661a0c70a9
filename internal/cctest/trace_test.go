package cctest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// spansOf is the spans of a name that processes have told.
func spansOf(c *cctest.Cluster, name string, processes ...string) (all []tracetest.SpanStub) {
	for _, p := range processes {
		all = append(all, c.Told(p).Spans(name)...)
	}
	return all
}

// below is the one span of these that is a child of another.
func below(t *testing.T, parent tracetest.SpanStub, spans []tracetest.SpanStub) tracetest.SpanStub {
	t.Helper()
	child := slices.DeleteFunc(slices.Clone(spans), func(s tracetest.SpanStub) bool {
		return s.Parent.SpanID() != parent.SpanContext.SpanID() || s.SpanContext.TraceID() != parent.SpanContext.TraceID()
	})
	if len(child) != 1 {
		t.Fatalf("%d of %d spans are below %s", len(child), len(spans), parent.Name)
	}
	return child[0]
}

func TestAJobIsOneTraceThroughAllTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Rooms: []string{"bj01"}, Told: true})
		job := c.Settles(c.Run(uptime("h1", "h2")))
		synctest.Wait()
		replicas, schedulers := []string{"access-1", "access-2"}, []string{"scheduler-standard-1", "scheduler-standard-2"}
		edge := slices.DeleteFunc(spansOf(c, "ccs.access.v1.AccessService/SubmitJob", replicas...),
			func(s tracetest.SpanStub) bool { return obstest.Attribute(s, obs.AttrJob) != job.ID })
		if len(edge) != 1 {
			t.Fatalf("the submission has %d spans at the edge", len(edge))
		}
		passed := below(t, edge[0], spansOf(c, "ccs.scheduler.v1.SchedulerService/SubmitJob", replicas...))
		submit := below(t, passed, spansOf(c, "ccs.scheduler.v1.SchedulerService/SubmitJob", schedulers...))
		releases := spansOf(c, "scheduler.release", schedulers...)
		if len(releases) != 2 {
			t.Fatalf("%d of 2 tasks have spans", len(releases))
		}
		for _, release := range releases {
			host := obstest.Attribute(release, obs.AttrHost)
			if release.Parent.SpanID() != submit.SpanContext.SpanID() {
				t.Errorf("the release to %s is not below the submission", host)
			}
			deliver := below(t, release, spansOf(c, "aggregator.deliver", "aggregator-bj01-1", "aggregator-bj01-2"))
			below(t, deliver, spansOf(c, "agent.judge", "agent-"+host))
			settle := below(t, release, spansOf(c, "scheduler.settle", schedulers...))
			if got := obstest.Attribute(settle, obs.AttrOutcome); got != "SUCCEEDED" {
				t.Errorf("the task of %s settles as %s", host, got)
			}
		}
	})
}
